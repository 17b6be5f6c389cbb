import pytest
from gradescope_utils.autograder_utils.decorators import number, weight


@pytest.mark.task("affine", kind="race")
@weight(5)
@number("3.3")
def test_affine_race(race):
    """affine: keeps up with the reference"""
    race.autograd("affine", lambda draw: (draw.tensor(300, 400).float(), draw.tensor(400, 300).float()))
