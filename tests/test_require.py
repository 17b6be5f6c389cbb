"""A level of confinement can be required: below it nothing is graded, and that is our fault; results say what was
required and what was there."""

import json
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.errors import UsageError
from autograder.grading import Engine, Options, grade
from autograder.release import bundles
from autograder.sandbox.confine import LEVELS, Confinement

COURSE = Path(__file__).parent / "course"
MINI = load_assignment("mini", COURSE)
FULL = Confinement(uid=True, landlock=6, seccomp=True)
REACHED = {
    "everything": (FULL, "full"),
    "no user of its own": (FULL.without("uid"), "contained"),
    "processes": (Confinement(uid=True, landlock=6, seccomp=True, processes=True), "contained"),
    "no Landlock": (FULL.without("landlock"), "any"),
    "no seccomp": (FULL.without("seccomp"), "any"),
    "nothing": (FULL.without("uid", "landlock", "seccomp"), "any"),
}


@pytest.mark.parametrize(("confinement", "level"), REACHED.values(), ids=REACHED)
def test_a_confinement_reaches_a_level_and_all_below_it(confinement: Confinement, level: str) -> None:
    assert confinement.level() == level
    for required in LEVELS:
        reached = LEVELS.index(required) <= LEVELS.index(level)
        assert (confinement.shortfall(required) is None) == reached


@pytest.mark.parametrize(
    ("confinement", "missing"),
    [
        (FULL.without("uid"), "a user of its own"),
        (FULL.without("landlock"), "missing: landlock"),
        (FULL.without("seccomp"), "missing: seccomp"),
        (REACHED["processes"][0], "start no processes"),
    ],
)
def test_less_than_is_required_is_our_fault_and_says_what_is_missing(
    engine: Engine, confinement: Confinement, missing: str
) -> None:
    told = confinement.shortfall("full")
    assert told is not None
    assert missing in told
    if confinement.processes:
        return  # that is the assignment's to say, not the machine's
    run = grade(
        "mini", MINI.solution, root=COURSE, options=Options(confinement=confinement, require="full"), engine=engine
    )
    assert (run.status, run.reason, run.exit_code, run.score) == ("fault", told, 3, 0)


def test_results_say_what_was_required_and_what_was_there(engine: Engine) -> None:
    available = Confinement.available()
    if available.level() == "any":
        pytest.skip("this machine has no Landlock or no libseccomp")
    run = grade(
        "mini",
        MINI.solution,
        root=COURSE,
        options=Options(seed=1, require="contained", select=("test_quiz",)),
        engine=engine,
    )
    assert run.confinement == {**run.confinement, "level": available.level(), "required": "contained"}
    assert run.confinement["processes"] is False


def test_a_bundle_requires_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def config() -> dict[str, str]:
        return dict(json.loads(bundles(MINI, "s")[1].files["deepgrade.json"]))

    monkeypatch.delenv("DEEPGRADE_REQUIRE", raising=False)
    assert config()["require"] == "any"
    monkeypatch.setenv("DEEPGRADE_REQUIRE", "full")
    assert config()["require"] == "full"
    monkeypatch.setenv("DEEPGRADE_REQUIRE", "fort knox")
    with pytest.raises(UsageError, match="the levels are any, contained, full"):
        config()
