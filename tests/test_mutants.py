"""Mutants: what they are, that weak checks let some live, and that those which compute the same are told from those
that do not."""

import io
import shutil
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from autograder.assignment import Assignment, assignment_names, load_assignment
from autograder.audit import Fate, Mutant, mutants, strength
from autograder.audit._mutants import all_mutants
from autograder.audit.report import show_fates

pytestmark = pytest.mark.usefixtures("shared_engine")

COURSE = Path(__file__).parent / "course"
MINI = load_assignment("mini", COURSE)


@pytest.mark.parametrize("name", assignment_names())
def test_mutants_of_this_course_parse_and_are_one_replacement_each(name: str) -> None:
    """The entry of mistakes.toml that is printed of each makes exactly that mutant."""
    assignment = load_assignment(name)
    reference = assignment.solution.read_text()
    chosen = mutants(assignment, 4)
    assert {mutant.task for mutant in chosen} == assignment.tasks.keys()
    for mutant in chosen:
        source = mutant.source(reference)
        compile(source, "mutant", "exec")
        entry = tomllib.loads(mutant.as_mistake(reference))["mistake"][0]
        assert reference.count(entry["find"]) == 1
        assert reference.replace(entry["find"], entry["replace"]) == source != reference


def test_a_sample_is_the_same_for_the_same_seed_and_takes_kinds_in_turn() -> None:
    conv = load_assignment("conv")
    first = mutants(conv, 8, seed=1)
    assert first == mutants(conv, 8, seed=1) != mutants(conv, 8, seed=2)
    assert len({mutant.kind for mutant in first if mutant.task == "conv2d"}) >= 6


KINDS = {
    "return 2 * x": {"operator": "2 / x", "constant": "3", "deletion": "2"},
    "return x.sum(axis=0)": {"reduction": "x.mean", "axis": "-1", "deletion": "x.sum()"},
    "return x.max(-1)": {"reduction": "x.min", "constant": "2", "operator": "1"},
    "return x[1:] - x[:1]": {"order": "x[:1] - x[1:]"},
    "return x if x.size >= 2 else -x": {"operator": "x.size > 2"},
    "x += 1\n    return x": {"deletion": "x = 1"},
    "return np.subtract(x, 1)": {"order": "np.subtract(1, x)"},
    "return x.T": {"order": "x"},
}


@pytest.mark.parametrize(("body", "wanted"), KINDS.items(), ids=KINDS.keys())
def test_slips_of_each_kind_are_made(body: str, wanted: dict[str, str]) -> None:
    text = MINI.solution.read_text().replace("return 2 * x", body)
    made = {(mutant.kind, mutant.after) for mutant in all_mutants(MINI, text) if mutant.task == "double"}
    assert set(wanted.items()) <= made | {(kind, after.strip("()")) for kind, after in made}


WEAK = '''"""Checks that look at one row, at moderate numbers, and at nothing else."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import weight


@pytest.mark.task("double")
@weight(1)
def test_double(agrees, draw):
    """double: one row"""
    agrees("double", draw(1, 3))
'''
BODY = "return np.maximum(x, -50.0) + 0 * len(x.shape)"


@pytest.fixture(scope="module")
def fates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Assignment, dict[str, Fate]]:
    """Mutants of a task that is checked with one row only: what is wrong with large numbers is not seen."""
    course = tmp_path_factory.mktemp("weak") / "course"
    shutil.copytree(COURSE, course, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (course / "assignments" / "mini").glob("*/test_*.py"):
        file.unlink()
    (course / "assignments" / "mini" / "hidden" / "test_weak.py").write_text(WEAK)
    (course / "assignments" / "mini" / "mistakes.toml").unlink()
    reference = course / "solutions" / "mini.py"
    reference.write_text(reference.read_text().replace("return 2 * x", BODY))
    assignment = load_assignment("mini", course)
    found = strength(assignment, 100, select="double", workers=1)
    return assignment, {f"{fate.mutant.before} → {fate.mutant.after}": fate for fate in found}


def test_what_a_check_sees_is_killed(fates: tuple[Assignment, dict[str, Fate]]) -> None:
    fate = fates[1]["np.maximum → np.minimum"]
    assert (fate.kind, fate.told) == ("killed", "test_double")


def test_what_computes_the_same_is_equivalent(fates: tuple[Assignment, dict[str, Fate]]) -> None:
    fate = fates[1]["0 * len(x.shape) → 0"]
    assert (fate.kind, fate.told) == ("equivalent", "")


def test_a_survivor_comes_with_the_input_that_tells_it_apart(fates: tuple[Assignment, dict[str, Fate]]) -> None:
    alive = {name: fate.told for name, fate in fates[1].items() if fate.kind == "survivor"}
    assert alive["50.0 → 100.0"].startswith("double(x=float64[1, 3]), numbers a thousand times larger: its answer: ")
    assert all("numbers " in told for told in alive.values())


def test_the_report_counts_and_gives_survivors_as_mistakes(fates: tuple[Assignment, dict[str, Fate]]) -> None:
    assignment, found = fates
    first = next(iter(found.values()))
    shown = io.StringIO()
    made = [*found.values(), Fate(first.mutant, "survivor", "double(x=float64[1, 3]), numbers all zero: differ")]
    alive = show_fates(assignment, made, Console(file=shown, width=120))
    assert alive == sum(fate.kind == "survivor" for fate in made) >= 1
    text = shown.getvalue()
    assert f"survivor: {first.mutant.name}\n  double(x=float64[1, 3]), numbers all zero: differ" in text
    assert first.mutant.as_mistake(assignment.solution.read_text()) in text
    assert "% of those that compute something else are killed" in text


def test_a_mutant_is_named_for_people() -> None:
    assert Mutant("softmax", "reduction", 40, "x.max", "x.min", 0).name == "softmax line 40: x.max → x.min"
    assert Mutant("softmax", "deletion", 41, "out /= \\\n  z", "pass", 0).name == "softmax line 41: out /= \\ z → pass"
