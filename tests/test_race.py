"""Races: who is slow loses points, who cheats gains none, and who is unlucky loses none."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from autograder.assignment import Targets, load_assignment
from autograder.checks.proven import Proofs
from autograder.checks.race import STAGES, Race, Times, run_stages
from autograder.errors import GraderError
from autograder.grading import Engine, Options, grade
from autograder.proof.prover import Prover
from autograder.results import Line, Outcome
from tests.test_grading import COURSE, REFERENCE, changed, line_of

TARGETS = Targets(target=2, limit=4)


def raced(engine: Engine, tmp_path: Path, body: str, more: str = "") -> Line:
    """The race's line for an `affine` with this body."""
    path = tmp_path / "mini.py"
    path.write_text(changed("return x @ w", body) + more)
    options = Options(seed=1, select=("test_affine_race",))
    return line_of(grade("mini", path, root=COURSE, options=options, engine=engine), "test_affine_race")


def test_the_reference_keeps_up_with_itself(engine: Engine, tmp_path: Path) -> None:
    line = raced(engine, tmp_path, "return x @ w")
    assert (line.outcome, line.score) == (Outcome.PASSED, 5)
    race = line.figures["race"]
    assert len(race["student"]) == len(race["reference"]) >= STAGES[0] // 3
    assert race["target"] == 2


def test_slow_code_gets_no_points_and_is_told_how_slow_it_was(engine: Engine, tmp_path: Path) -> None:
    line = raced(engine, tmp_path, "\n    for _ in range(80): y = x @ w\n    return y")
    assert line.outcome is Outcome.FAILED
    assert line.message.startswith(
        "affine(x=float32[300, 400], w=float32[400, 300])\nToo slow: what affine does takes "
    )
    assert "times as long as what the reference does" in line.message


CHEATS = {
    "lower precision": "return (x.bfloat16() @ w.bfloat16()).float()",
    "half of the sum": "return 2 * (x[:, ::2] @ w[::2])",
    "memory that was used for the answer before": "x @ w\n    return torch.empty(300, 300) + 0 * x.sum() * w.sum()",
    "an answer that is filled in later": (
        "out = x.new_zeros(300, 300)\n    import threading\n    threading.Timer(0.05, out.copy_, [x @ w]).start()\n"
        "    return out + 0 * x.sum() * w.sum()"
    ),
    "a tensor that computes itself when it is looked at": "return Lazy(x, w)",
    "the expected values, looked for in memory": (
        "import gc\n    tensors = [o for o in gc.get_objects() if isinstance(o, torch.Tensor)]\n"
        "    found = [o for o in tensors if o.shape == (300, 300)]\n"
        "    return found[-1] + 0 * x.sum() * w.sum() if found else x.new_zeros(300, 300) + 0 * x.sum() * w.sum()"
    ),
    "the expected values, looked for in the callers' frames": (
        "import sys\n    frame, found = sys._getframe(), x.new_zeros(300, 300)\n    while frame:\n"
        "        found = next((v for v in frame.f_locals.values() if getattr(v, 'shape', 0) == (300, 300)), found)\n"
        "        frame = frame.f_back\n    return found + 0 * x.sum() * w.sum()"
    ),
    "its arguments changed, so that the reference agrees": (
        "x.detach().zero_()\n    w.detach().zero_()\n    return x @ w"
    ),
    "an answer from a file that an earlier process left": (
        "for place in ('/tmp/answer.pt', '/dev/shm/answer.pt', '/var/tmp/answer.pt', 'answer.pt'):\n"
        "        try: return torch.load(place) + 0 * x.sum() * w.sum()\n        except OSError: pass\n"
        "        try: torch.save((x @ w).detach(), place)\n        except (OSError, RuntimeError): pass\n"
        "    return x @ w"
    ),
    "a short way for the shape that is timed": ("return x[:, :200] @ w[:200] if x.shape == (300, 400) else x @ w"),
    "an answer that is sent before it is asked for": (
        "from autograder.sandbox import wire, worker\n    y = x @ w\n"
        "    reply = {'value': {'outputs': y.detach(), 'gradients': {}}, 'mutated': []}\n"
        "    worker.write_frame(4, wire.encode(reply))\n    return y"
    ),
}
HELP = """

CACHE = {}


class Lazy:
    def __init__(self, x, w):
        self.x, self.w = x, w

    def __getattr__(self, name):
        return getattr(self.x @ self.w, name)
"""


@pytest.mark.parametrize("body", CHEATS.values(), ids=CHEATS.keys())
def test_a_cheat_gains_nothing_and_is_told_why(engine: Engine, tmp_path: Path, body: str) -> None:
    line = raced(engine, tmp_path, body, HELP)
    assert (line.outcome, line.score) == (Outcome.FAILED, 0)
    assert line.message.startswith("affine(x=float32[300, 400], w=float32[400, 300])\n")
    assert "Too slow" not in line.message


USELESS = {
    "a cache keyed on the shape": "return CACHE.setdefault((x.shape, w.shape), x @ w)",
    "a cache keyed on the content": (
        "key = float(x.sum()), float(w.sum())\n"
        "    if key not in CACHE:\n        CACHE[key] = (x @ w).detach()\n"
        "    return CACHE[key] + 0 * (x @ w)"
    ),
    "right answers the first time only": (
        "CACHE['n'] = CACHE.get('n', 0) + 1\n    return x @ w if CACHE['n'] < 2 else (x[:, :1] @ w[:1])"
    ),
    "settings that outlive a process": (
        "torch.set_num_threads(8)\n    torch.set_float32_matmul_precision('medium')\n"
        "    torch.backends.mkldnn.enabled = False\n    return x @ w"
    ),
}


@pytest.mark.parametrize("body", USELESS.values(), ids=USELESS.keys())
def test_a_cheat_is_caught_or_of_no_use(engine: Engine, tmp_path: Path, body: str) -> None:
    """What is raced is one recording of an honest product, whatever the submission would do the next time."""
    line = raced(engine, tmp_path, body, HELP)
    assert line.score == 0 or line.figures["race"]["ratio"] > 0.5


def test_inputs_cannot_be_drawn_again(engine: Engine, tmp_path: Path) -> None:
    """Neither from likely seeds nor from the state that the worker's own generators are in."""
    body = (
        "\n    shape = tuple(x.shape)\n"
        "    drawn = [torch.randn(shape), torch.from_numpy(np.random.standard_normal(shape)).float()]\n"
        "    for seed in (*range(3), torch.initial_seed()):\n"
        "        drawn.append(torch.randn(shape, generator=torch.Generator().manual_seed(seed % 2**63)))\n"
        "        drawn.append(torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).float())\n"
        "        drawn.append(torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, np.float32)))\n"
        "    assert not any((guess == x.detach()).all() for guess in drawn), 'guessed'\n    return x @ w"
    )
    line = raced(engine, tmp_path, body, "\n\nimport numpy as np\n")
    assert "guessed" not in line.message
    assert line.figures["race"]["student"], "it should have raced"


def test_what_an_earlier_run_was_raced_on_is_never_drawn_again(engine: Engine, tmp_path: Path) -> None:
    """Values repeat from the seed, so that a regrade is fair; what the recording is replayed on does not."""
    known = "return KEY @ w + (x - x.detach()) @ w"
    key = (
        "\n\nfrom autograder.checks.draw import Draw\n"
        "KEY = Draw(1, 'test_affine_race').tensor(300, 400).float()  # as the check of a run with this seed draws it\n"
    )
    line = raced(engine, tmp_path, known, key)
    assert (line.outcome, line.score) == (Outcome.FAILED, 0)
    assert "The answer is right, but torch was not seen to compute it" in line.message


def test_clocks_belong_to_the_grader(engine: Engine, tmp_path: Path) -> None:
    patched = "\nimport time\ntime.time = time.perf_counter = time.monotonic = lambda: 0.0\n"
    line = raced(engine, tmp_path, "\n    for _ in range(80): y = x @ w\n    return y", patched)
    assert line.outcome is Outcome.FAILED
    assert "Too slow" in line.message


def test_time_that_no_operation_takes_is_not_raced(engine: Engine, tmp_path: Path) -> None:
    """Honest code may be slow at what is no work of its own: only what it computes is timed."""
    line = raced(engine, tmp_path, "\n    import time\n    time.sleep(0.3)\n    return x @ w")
    assert line.outcome is Outcome.PASSED, line.message


def test_the_order_of_turns_is_random() -> None:
    orders: list[tuple[str, ...]] = []

    class Counted(Prover):
        def turns(self, order: Sequence[str]) -> list[tuple[str, float]]:
            orders.append(tuple(order))
            return [(name, 1.0 + (name == "student")) for name in order]

    prover = Counted(None, None)  # type: ignore[arg-type]
    race = Race(Proofs(None, prover, 1), Times(TARGETS))  # type: ignore[arg-type]
    assert {race._pair() for _ in range(40)} == {(2.0, 1.0)}
    assert set(orders) == {("student", "reference"), ("reference", "student")}


def test_a_forbidden_operation_at_the_sizes_of_a_race_voids_the_task(engine: Engine, tmp_path: Path) -> None:
    hidden = "return x @ w if len(x) < 300 else torch.nn.functional.conv1d(x[:, None], w.T[:, None]).squeeze(-1)"
    line = raced(engine, tmp_path, hidden)
    assert line.outcome is Outcome.FAILED
    assert "using it earns nothing" in line.message


# The rule itself, on made-up times ------------------------------------------------------------------------------


def rule(student: Callable[[], float], reference: Callable[[], float]) -> Times:
    """Times of a race between two sources of seconds."""
    times = Times(TARGETS)

    def pair() -> None:
        times.student.append(student())
        times.reference.append(reference())

    run_stages(times, pair, pause=0)
    return times


@pytest.mark.parametrize(
    ("ratio", "share", "pairs"),
    [
        pytest.param(0.5, 1, 5, id="faster"),
        pytest.param(2, 1, STAGES[0], id="at the target"),
        pytest.param(2 * 2**0.5, 0.5, sum(STAGES), id="half-way on a logarithmic scale"),
        pytest.param(4.1, 0, sum(STAGES), id="beyond the limit"),
        pytest.param(50, 0, 5, id="hopeless"),
    ],
)
def test_points_fall_from_target_to_limit(ratio: float, share: float, pairs: int) -> None:
    times = rule(lambda: ratio, lambda: 1.0)
    assert times.share == pytest.approx(share)
    assert len(times.student) == pairs


def test_a_noisy_start_is_forgiven() -> None:
    slow = iter([5.0] * 20)
    assert rule(lambda: next(slow, 1.5), lambda: 1.0).share == 1


@pytest.mark.parametrize(
    ("ratio", "wobble", "is_open"),
    [
        pytest.param(3, 0.2, True, id="points would be lost on an unsteady machine"),
        pytest.param(4.5, 0.2, True, id="all of them, but only just"),
        pytest.param(5.5, 0.2, False, id="beyond the limit however unsteady"),
        pytest.param(1.5, 0.2, False, id="nothing would be lost"),
        pytest.param(3, 0.05, False, id="a steady machine"),
    ],
)
def test_there_is_no_verdict_only_where_it_could_be_unfair(ratio: float, wobble: float, is_open: bool) -> None:
    turns = iter(range(10_000))
    times = rule(lambda: ratio, lambda: 1.0 + wobble * (next(turns) % 2))
    assert times.is_open is is_open


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[race.afine]\ntarget = 2\nlimit = 4", "did you mean 'affine'"),
        ("[race.affine]\ntarget = 1\nlimit = 4", "target must be at least 1.1"),
        ("[race.affine]\ntarget = 4\nlimit = 2", "and limit more"),
        ("[race.affine]\ntarget = 4", "limit is missing"),
    ],
)
def test_bad_targets_are_named(tmp_path: Path, table: str, message: str) -> None:
    folder = tmp_path / "assignments" / "mini"
    folder.mkdir(parents=True)
    text = (COURSE / "assignments" / "mini" / "assignment.toml").read_text()
    (folder / "assignment.toml").write_text(text.replace("[race.affine]\ntarget = 2.0\nlimit = 4.0", table))
    with pytest.raises(GraderError, match=message):
        load_assignment("mini", tmp_path)


def test_no_reference_and_no_replay_is_in_the_submission_s_worker(engine: Engine, tmp_path: Path) -> None:
    """They run where no submission is."""
    body = (
        "import gc, sys\n    assert 'reference_mini' not in sys.modules\n"
        "    kinds = {type(o).__name__ for o in gc.get_objects()}\n"
        "    assert not kinds & {'Replay', 'Replayer', 'Recording', 'Prover'}, kinds\n    return x @ w"
    )
    line = raced(engine, tmp_path, body)
    assert line.outcome is Outcome.PASSED, line.message


def test_the_leaderboard_gets_the_figures_that_the_assignment_names(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "mini.py"
    path.write_text(REFERENCE)
    run = grade("mini", path, root=COURSE, options=Options(seed=1), engine=engine)
    figures = {entry.name: entry.value for entry in run.leaderboard}
    assert figures["affine, operations"] == line_of(run, "test_affine_cost").figures["cost"][0]["value"]
    assert figures["affine, times the reference"] == line_of(run, "test_affine_race").figures["race"]["ratio"]
    assert {entry.order for entry in run.leaderboard} == {"asc"}


def test_who_failed_is_not_on_the_leaderboard(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "mini.py"
    path.write_text(changed("return x @ w", "return 2 * (x[:, ::2] @ w[::2])"))
    assert grade("mini", path, root=COURSE, options=Options(seed=1), engine=engine).leaderboard == ()
