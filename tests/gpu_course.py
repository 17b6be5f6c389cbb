"""The small course, with five of its points on a GPU."""

import shutil
from pathlib import Path

COURSE = Path(__file__).parent / "course"
CHECK = '''

from autograder.checks.race import Work


@pytest.mark.gpu
@pytest.mark.task("affine", kind="race")
@weight(5)
@number("3.4")
def test_affine_gpu(gpu_race):
    """affine: keeps up with the reference on a GPU"""
    work = Work(flops=6 * 256**3, bytes=4 * 3 * 256**2)
    inputs = lambda draw: (draw.single(256, 256), draw.single(256, 256))
    gpu_race.measure("autograd", "affine", inputs, work, library="library_affine")
'''
HELPERS = '''

def library_affine(x, w):
    """The library's own."""
    import torch

    return torch.nn.functional.linear(x, w.T)
'''


def gpu_course(folder: Path) -> Path:
    """Write the course into the folder, which must not exist yet."""
    shutil.copytree(COURSE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    mini = folder / "assignments" / "mini"
    race, toml, helpers = mini / "hidden" / "test_race.py", mini / "assignment.toml", mini / "helpers.py"
    race.write_text(race.read_text() + CHECK)
    helpers.write_text(helpers.read_text() + HELPERS)
    toml.write_text(toml.read_text().replace("[pairs.scale]", "[gpu.affine]\ntarget = 3\nlimit = 8\n\n[pairs.scale]"))
    hidden = mini / "hidden" / "test_hidden.py"
    hidden.write_text(hidden.read_text().replace('@weight(15)\n@number("4.1")', '@weight(10)\n@number("4.1")'))
    return folder
