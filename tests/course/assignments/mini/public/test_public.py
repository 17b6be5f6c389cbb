"""Checks that students have."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight


@pytest.mark.task("double")
@weight(8)
@number("1.1")
def test_double_worked_example(student, expect):
    """double: 1, 2, 3 becomes 2, 4, 6"""
    expect(student.double(np.array([1.0, 2.0, 3.0])), np.array([2.0, 4.0, 6.0]))
