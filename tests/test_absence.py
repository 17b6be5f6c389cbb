"""What a task forbids is absent, whichever way it is called, and what cannot be seen is not proven: one case for each
kind of cheat that was seen in earnest."""

import shutil
from pathlib import Path

import pytest

from autograder.grading import Engine, Options, grade
from autograder.results import Line, Outcome, Run
from tests.test_grading import COURSE, REFERENCE, changed, line_of

AFFINE = ("test_affine", "test_affine_cost", "test_affine_race")
ABSENT = "using it earns nothing"
NUMPY = "This task is to be written in NumPy: torch is not there for it"
UNSEEN = "The answer is right, but torch was not seen to compute it"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small course; affine may use no recurrent layer either, and twice, which a helper calls, no torch."""
    folder = Path(shutil.copytree(COURSE, tmp_path_factory.mktemp("absence") / "course"))
    facts = folder / "assignments" / "mini" / "assignment.toml"
    text = facts.read_text().replace('["convolution", "attention"]', '["convolution", "attention", "recurrent"]')
    facts.write_text(text.replace('functions = ["twice"]', 'functions = ["twice"]\nforbidden = ["torch"]'))
    return folder


def graded(engine: Engine, course: Path, tmp_path: Path, source: str, checks: tuple[str, ...]) -> Run:
    path = tmp_path / "mini.py"
    path.write_text(source)
    return grade("mini", path, root=course, options=Options(seed=1, select=checks), engine=engine)


LIBRARY = """

import ctypes
import queue
import sys
import threading
import typing

import torch.nn.functional as F
from torch.utils._mode_utils import no_dispatch


def library(x, w):
    return F.conv1d(x[:, None], w.T[:, None]).squeeze(-1)


class Hidden(torch.autograd.Function):
    \"\"\"The library's forward and backward, where `HIDE` runs them.\"\"\"

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return HIDE(lambda: library(x.detach(), w.detach()))

    @staticmethod
    def backward(ctx, dout):
        def work():
            with torch.enable_grad():
                leaves = [part.detach().requires_grad_() for part in ctx.saved_tensors]
                return torch.autograd.grad(library(*leaves), leaves, dout)

        return HIDE(work)
"""
GUARDS = """

def HIDE(work):
    with torch._C.DisableTorchFunction(), no_dispatch():
        return work()
"""
THREAD = """

ASKED, ANSWERED = queue.Queue(), queue.Queue()


def serve():
    while True:
        work = ASKED.get()
        try:
            ANSWERED.put(work())
        except Exception as error:
            ANSWERED.put(error)


threading.Thread(target=serve, daemon=True).start()


def HIDE(work):
    ASKED.put(work)
    found = ANSWERED.get()
    if isinstance(found, Exception):
        raise found
    return found
"""
POPPED = """

def HIDE(work):
    modes = []
    while torch._C._len_torch_dispatch_stack():
        modes.append(torch._C._pop_torch_dispatch_stack(None))
    try:
        return work()
    finally:
        for mode in reversed(modes):
            torch._C._push_on_torch_dispatch_stack(mode)
"""
CUSTOM = """

OURS = torch.library.Library("hw", "DEF")
OURS.define("f(Tensor x, Tensor w) -> Tensor")
OURS.impl("f", library, "CPU")
OURS.impl("f", library, "AutogradCPU")
"""
LAZY = """

class Lazy(torch.Tensor):
    \"\"\"Computes when the reply is encoded.\"\"\"

    @staticmethod
    def __new__(cls, work, like):
        made = torch.Tensor._make_wrapper_subclass(cls, like.shape, dtype=like.dtype, requires_grad=like.requires_grad)
        made.work = work
        return made

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        from torch.utils._pytree import tree_map_only

        return function(*tree_map_only(Lazy, lambda lazy: lazy.work(), args), **(kwargs or {}))

    def numpy(self):
        return self.work().numpy()
"""
TABLES = """

for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").startswith("autograder"):
        for name in ("GROUPS", "ROUTINES", "MODULES", "SPACES", "BACKENDS"):
            table = getattr(module, name, None)
            if isinstance(table, dict):
                table.clear()
            elif table is not None:
                setattr(module, name, ())
        for name in ("is_forbidden", "make_absent", "_refusal", "_replace"):
            if hasattr(module, name):
                setattr(module, name, lambda *args: False)
"""
UNDONE = """

import gc

for found in gc.get_objects():
    if type(found).__name__ in ("Library", "_DispatchModule"):
        del found
for name in torch._C._dispatch_get_all_op_names():
    if name.startswith("aten::conv"):
        try:
            torch._C._dispatch_library("IMPL", "aten", "CPU", "mine", 1).reset()
        except Exception:
            pass
gc.collect()
"""
SCRIPTED = """

@torch.jit.script
def scripted(x: torch.Tensor, w: torch.Tensor):
    return torch.conv1d(x[:, None], w.t()[:, None])[:, :, 0]
"""
LSTM = """

@torch.jit.script
def scripted(x: torch.Tensor, h: torch.Tensor, w: typing.List[torch.Tensor]):
    return torch.lstm(x, [h, h], w, True, 1, 0.0, True, False, True)


def by_lstm(x, w):
    size = w.shape[1]
    h, u = x.new_zeros(1, len(x), size), x.new_zeros(4 * size, size)
    out = scripted(x[:, None], h, [w.T.repeat(4, 1), u, u[:, 0], u[:, 0]])[0]
    return x @ w + 0 * out.sum()
"""
RECIPE = """

def by_lstm(x, w):
    from torch._decomp.decompositions import lstm_impl

    size = w.shape[1]
    h, u = x.new_zeros(1, len(x), size), x.new_zeros(4 * size, size)
    out = lstm_impl(x[:, None], [h, h], [w.T.repeat(4, 1), u, u[:, 0], u[:, 0]], True, 1, 0.0, False, False, True)[0]
    return x @ w + 0 * out.sum()
"""
QUANTIZABLE = """

def by_lstm(x, w):
    from torch.ao.nn.quantizable.modules.rnn import LSTM

    layer = LSTM(w.shape[0], w.shape[1], batch_first=True, dtype=x.dtype)
    return x @ w + 0 * layer(x[:, None])[0].sum()
"""
PATCHED = """

F.has_torch_function = lambda *args: False


def by_attention(x, w):
    size = x.shape[1]
    eye = torch.eye(size, dtype=x.dtype)
    found, _ = F.multi_head_attention_forward(
        *[x[:1, None]] * 3, size, 1, None, x.new_zeros(3 * size), None, None, False, 0.0, eye, None,
        use_separate_proj_weight=True, q_proj_weight=eye, k_proj_weight=eye, v_proj_weight=eye,
    )
    return x @ w + 0 * found.sum()
"""
ATTENDED = """

def by_attention(x, w):
    return x @ w + 0 * F.scaled_dot_product_attention(x[None], x[None], x[None]).sum()
"""
TRANSFORMED = """

def by_attention(x, w):
    layer = nn.TransformerEncoderLayer(x.shape[1], 1, 4, batch_first=True).to(x.dtype)
    return x @ w + 0 * layer(x[None]).sum()
"""
NUMPY_KEPT = """

class Kept(torch.autograd.Function):
    \"\"\"In NumPy, with a table of all pairs kept on the context.\"\"\"

    @staticmethod
    def forward(ctx, x, w):
        ctx.kept = x.numpy()[:, :, None] * w.numpy()[None], x.numpy(), w.numpy()
        return torch.from_numpy(ctx.kept[0].sum(1))

    @staticmethod
    def backward(ctx, dout):
        _, x, w = ctx.kept
        return torch.from_numpy(dout.numpy() @ w.T), torch.from_numpy(x.T @ dout.numpy())
"""
LATE = """

from autograder.sandbox import recorder, steps

HONEST = steps.STEPS["autograd"]


def unwatched(submission, name, args, kwargs, options):
    \"\"\"The step, where no recorder is.\"\"\"
    with torch._C._DisableTorchDispatch():
        return HONEST(submission, name, args, kwargs, options)


steps.STEPS["autograd"] = unwatched
"""
HELPERS = """

sys.modules["helpers"].twice_square = lambda submission, x: x**4
"""
OUT_OF_SIGHT = "\n    with torch._C.DisableTorchFunction(), no_dispatch():\n        "
DOUBLE = "return 2 * x"
PRODUCT = "return x @ w"
TWICE = "return f(f(x))"

Kind = tuple[str, str, str, tuple[str, ...], str]
KINDS: dict[str, Kind] = {
    "torch under guards in a NumPy task": (
        DOUBLE,
        f"{OUT_OF_SIGHT}return (torch.from_numpy(x) * 2).numpy()",
        LIBRARY,
        ("test_double",),
        NUMPY,
    ),
    "torch in a thread in a NumPy task": (
        DOUBLE,
        "return HIDE(lambda: torch.from_numpy(x).mul(2).numpy())",
        LIBRARY + THREAD,
        ("test_double",),
        NUMPY,
    ),
    "torch in a NumPy task that a helper runs": (
        TWICE,
        "return (torch.from_numpy(x) ** 4).numpy()",
        "",
        ("test_twice",),
        NUMPY,
    ),
    "the same under guards": (
        TWICE,
        f"{OUT_OF_SIGHT}return (torch.from_numpy(x) ** 4).numpy()",
        LIBRARY,
        ("test_twice",),
        NUMPY,
    ),
    "the same, where it pretends to be stuck if watched": (
        TWICE,
        "\n    if torch.overrides._get_current_function_mode_stack(): raise NotImplementedError\n"
        "    return torch.from_numpy(x).pow(4).numpy()",
        "",
        ("test_twice",),
        NUMPY,
    ),
    "the library in an autograd function, under guards": (
        PRODUCT,
        "return Hidden.apply(x, w)",
        LIBRARY + GUARDS,
        AFFINE,
        ABSENT,
    ),
    "a thread that was started at import": (PRODUCT, "return Hidden.apply(x, w)", LIBRARY + THREAD, AFFINE, ABSENT),
    "modes taken off their stack": (PRODUCT, "return Hidden.apply(x, w)", LIBRARY + POPPED, AFFINE, ABSENT),
    "a custom operation": (PRODUCT, "return torch.ops.hw.f(x, w)", LIBRARY + CUSTOM, AFFINE, ABSENT),
    "emptied tables": (PRODUCT, "return library(x, w)", LIBRARY + TABLES, AFFINE, ABSENT),
    "handles looked for and undone": (PRODUCT, "return library(x, w)", LIBRARY + UNDONE, AFFINE, ABSENT),
    "a scripted call": (PRODUCT, "return scripted(x, w)", LIBRARY + SCRIPTED, AFFINE, ABSENT),
    "a scripted call only where nothing is recorded": (
        PRODUCT,
        "return x @ w if torch._C._len_torch_dispatch_stack() else scripted(x, w)",
        LIBRARY + SCRIPTED,
        ("test_affine",),
        ABSENT,
    ),
    "a subclass that computes when it is encoded": (
        PRODUCT,
        "\n    like = x.new_zeros(len(x), w.shape[1]) + 0 * (x.sum() + w.sum())\n"
        "    return Lazy(lambda: library(x.detach(), w.detach()), like)",
        LIBRARY + LAZY,
        AFFINE,
        "",
    ),
    "a scripted LSTM": (PRODUCT, "return by_lstm(x, w)", LIBRARY + LSTM, AFFINE, ABSENT),
    "torch's recipe for an LSTM": (PRODUCT, "return by_lstm(x, w)", RECIPE, AFFINE, ABSENT),
    "torch.ao's LSTM": (PRODUCT, "return by_lstm(x, w)", QUANTIZABLE, AFFINE, ABSENT),
    "the library's attention, unasked": (PRODUCT, "return by_attention(x, w)", LIBRARY + PATCHED, AFFINE, ABSENT),
    "the library's attention": (PRODUCT, "return by_attention(x, w)", LIBRARY + ATTENDED, AFFINE, ABSENT),
    "the library's transformer": (PRODUCT, "return by_attention(x, w)", LIBRARY + TRANSFORMED, AFFINE, ABSENT),
    "NumPy inside an autograd function": (
        PRODUCT,
        "return Kept.apply(x, w)",
        NUMPY_KEPT,
        ("test_affine_cost", "test_affine_race"),
        UNSEEN,
    ),
    "the worker's steps replaced": (PRODUCT, PRODUCT, LATE, ("test_affine_cost", "test_affine_race"), UNSEEN),
    "ones for every answer": (DOUBLE, "return np.ones(1, x.dtype)", "", ("test_double", "test_keeps_float32"), ""),
    "answers in half precision": (DOUBLE, "return (2 * x).astype(np.float16)", "", ("test_double",), ""),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_a_kind_of_cheat_earns_nothing(engine: Engine, course: Path, tmp_path: Path, kind: Kind) -> None:
    find, put, more, checks, told = kind
    run = graded(engine, course, tmp_path, changed(find, put) + more, checks)
    assert run.status == "graded", run.reason
    for line in (line_of(run, check) for check in checks):
        assert (line.outcome, line.score) == (Outcome.FAILED, 0), (line.check, line.message)
        assert told in line.message, line.message


def lines(run: Run, checks: tuple[str, ...]) -> list[Line]:
    return [line_of(run, check) for check in checks]


HONEST = {
    "constant tensors, made at import": "TABLE = torch.linspace(0, 1, 5)\nMASK = torch.ones(3, 3).tril().bool()\n",
    "modules, made at import": "NET = nn.Sequential(nn.Linear(3, 4), nn.LSTM(4, 2), nn.Conv2d(1, 2, 3))\n",
    "torch used at import": "assert float((torch.eye(2) @ torch.ones(2, 1)).sum()) == 2\n",
    "a scripted function": "@torch.jit.script\ndef f(x: torch.Tensor):\n    return torch.relu(x)\n",
    "an autograd function": "class G(torch.autograd.Function):\n    pass\n",
    "the library's names": "import torch.nn.functional as F\nCONV, MHA = F.conv2d, nn.MultiheadAttention\n",
}


@pytest.mark.parametrize("more", HONEST.values(), ids=HONEST.keys())
def test_what_is_forbidden_in_a_task_may_stand_beside_it(
    engine: Engine, course: Path, tmp_path: Path, more: str
) -> None:
    checks = ("test_double", "test_affine", "test_affine_cost", "test_twice", "test_layer")
    run = graded(engine, course, tmp_path, f"{REFERENCE}\n\n{more}", checks)
    assert [line.message for line in lines(run, checks) if line.outcome is not Outcome.PASSED] == []


def test_a_helper_that_was_patched_has_the_say_in_nothing_that_torch_is_forbidden_for(
    engine: Engine, course: Path, tmp_path: Path
) -> None:
    """What a helper gives is compared like any other answer: a patched one has to solve the task."""
    source = changed(TWICE, "raise NotImplementedError") + "\n\nimport sys" + HELPERS.replace("x**4", "x**2")
    run = graded(engine, course, tmp_path, source, ("test_twice",))
    assert line_of(run, "test_twice").outcome is Outcome.FAILED
