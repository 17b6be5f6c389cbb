"""Recordings read back: what is none, or would reach for what is not its own, is refused with its reason."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from autograder.proof import Recording, RecordingRefused, Replay
from autograder.proof.replay import Counter


def plain(ops: list[Any], results: Any = None, constants: Any = (), **more: Any) -> dict[str, Any]:
    """A recording of a function of two matrices, slots 0 and 1, that goes backward with slot 2."""
    listed = {"ops": ops, "inputs": [0, 1], "cotangents": [2], "backward": len(ops), "results": results, **more}
    text = np.frombuffer(json.dumps(listed).encode(), np.uint8)
    return {"text": text, "constants": [list(constant) for constant in constants]}


def op(name: str, *args: Any, outs: Any = (3,), **kwargs: Any) -> list[Any]:
    return [name, list(args), kwargs, list(outs)]


X, W, COTANGENT = ["t", 0], ["t", 1], ["t", 2]
PRODUCT = op("aten::mm", X, W)


def sizes(*numbers: int) -> list[Any]:
    return ["[", *numbers]


def run(recording: Any) -> Any:
    """As the replayer does."""
    inputs = [torch.ones(2, 2, dtype=torch.float64) for _ in range(3)]
    return Replay(Recording.read(recording)).run(inputs[:2], inputs[2:], Counter())


def test_an_honest_one_is_none_of_these() -> None:
    assert torch.equal(run(plain([PRODUCT], ["t", 3])), torch.full((2, 2), 2.0, dtype=torch.float64))


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = ["[", value]
    return value


def sparse(places: Any, size: int = 3) -> list[Any]:
    return op("aten::_sparse_coo_tensor_unsafe", ["t", 4], ["t", 5], sizes(size, size), outs=[6])


WILD = [[4, torch.tensor([[0, 9**12], [0, 1]]), 1], [5, torch.ones(2, dtype=torch.float64), 1]]
WILD_ROWS = [*[[4, torch.tensor([0, 9, 2]), 1], [5, torch.tensor([0, 1 << 40]), 1]], [6, torch.ones(2), 1]]

REFUSED: dict[str, tuple[Any, str]] = {
    "no recording": (None, "not written down in order"),
    "text that is no JSON": (
        {"text": np.frombuffer(b"{'ops'", np.uint8), "constants": []},
        "not written down in order",
    ),
    "text that is not text": ({"text": np.full(9, 255, np.uint8), "constants": []}, "not written down in order"),
    "no results": ({"text": np.frombuffer(b'{"ops": []}', np.uint8), "constants": []}, "not written down in order"),
    "JSON nested without end": (
        {"text": np.frombuffer(b"[" * 100_000, np.uint8), "constants": []},
        r"not written down in order \(RecursionError\)",
    ),
    "an argument nested deeply": (plain([op("aten::mm", deep(50), W)]), "an argument that is not plain"),
    "results nested deeply": (plain([PRODUCT], deep(50)), "an argument that is not plain"),
    "outputs nested deeply": (plain([op("aten::mm", X, W, outs=[deep(50)])]), "neither a tensor nor a number"),
    "a tensor that nothing made": (plain([op("aten::mm", X, ["t", 7])]), "a tensor that nothing made"),
    "a result that nothing made": (plain([PRODUCT], ["t", 7]), "a tensor that nothing made"),
    "a tensor that is made later": (plain([op("aten::relu", ["t", 4]), PRODUCT]), "a tensor that nothing made"),
    "a slot made twice, as input and cotangent": (plain([PRODUCT], cotangents=[0]), "makes a tensor twice"),
    "a slot made twice, as a constant": (
        plain([PRODUCT], constants=[[1, torch.ones(2, 2), 1]]),
        "makes a tensor twice",
    ),
    "a slot that is no number": (plain([PRODUCT], inputs=["x", 1]), "makes a tensor twice"),
    "an output that is no slot": (plain([op("aten::mm", X, W, outs=["3"])]), "order|neither a tensor"),
    "a tensor that the operation did not make": (
        plain([op("aten::mm", X, W, outs=[3, 4])], ["t", 4]),
        "a tensor that was not made",
    ),
    "a number that nothing read": (plain([op("aten::mul.Scalar", X, ["r", 0])]), "a number that was not read"),
    "cotangents before it goes backward": (
        plain([op("aten::mm", X, COTANGENT)], backward=1),
        "before it goes backward",
    ),
    "cotangents, hidden in a list": (plain([op("aten::cat", ["[", X, COTANGENT])], backward=None), "before it goes"),
    "fewer inputs than there are": (plain([op("aten::relu", X)], inputs=[0]), "another number of inputs"),
    "more cotangents than there are": (plain([PRODUCT], cotangents=[2, 8, 9]), "another number of inputs"),
    "a whole number without end": (plain([op("aten::mul.Scalar", X, 10**4000)]), "a whole number that no|in order"),
    "a constant that is no tensor": (plain([PRODUCT], constants=[[9, "tensor", 1]]), "a constant that is no tensor"),
    "a constant under a wild line": (plain([PRODUCT], constants=[[9]]), "not written down in order"),
    "a letter that stands for nothing": (plain([op("aten::mm", X, ["z", 1])]), "not written down in order"),
    "a type that is none": (plain([op("aten::to.dtype", X, ["d", "__class__"])]), "not written down in order"),
    "operations without end": (plain([[*PRODUCT[:3], []]] * 400_001), "more than 400,000 operations"),
    "an operation that does not exist": (plain([op("aten::nothing", X)]), "is not one of the operations"),
    "an operation of another library": (plain([op("mkldnn::_linear_pointwise", X)]), "is not one of the operations"),
    "an attribute that is no operation": (plain([op("aten::__class__", X)]), "is not one of the operations"),
    "an operation's name that is none": (plain([op(["aten::mm"], X)]), "is not written down in order"),  # type: ignore[arg-type]
    "a file": (
        plain([op("aten::from_file", "/etc/passwd", False, 100, dtype=["d", "uint8"])]),
        "from_file, which is not one of the operations",
    ),
    "another tensor's memory": (plain([op("aten::set_.source_Tensor", X, W)]), "not one of the operations"),
    "memory that nothing wrote": (plain([op("aten::resize_", X, sizes(4096), outs=[0])]), "not one of the operations"),
    "what lies beside a tensor": (plain([op("aten::as_strided", X, sizes(4096), sizes(1), 0)]), "fails in as_strided"),
    "what lies before it": (plain([["look", [X, sizes(2), sizes(1), -64], {}, [3]]]), "fails in look"),
    "a sparse matrix that points outside": (
        plain([sparse(WILD), op("aten::_sparse_mm", ["t", 6], X, outs=[7])], ["t", 7], WILD),
        "a sparse tensor with indices outside it",
    ),
    "rows of one that end outside": (
        plain(
            [op("aten::_sparse_csr_tensor_unsafe", ["t", 4], ["t", 5], ["t", 6], sizes(2, 2), outs=[7])],
            None,
            WILD_ROWS,
        ),
        "a sparse tensor with indices outside it",
    ),
    "pooling that goes back to outside": (
        plain(
            [
                op("aten::ones", sizes(1, 1, 2, 2), outs=[3]),
                op("aten::full", sizes(1, 1, 1, 1), 1 << 40, dtype=["d", "int64"], outs=[4]),
                op("aten::ones", sizes(1, 1, 1, 1), outs=[5]),
                op(
                    "aten::max_pool2d_with_indices_backward",
                    *(["t", 5], ["t", 3], sizes(2, 2), sizes(2, 2), sizes(0, 0), sizes(1, 1), False, ["t", 4]),
                    outs=[6],
                ),
            ]
        ),
        "places outside it",
    ),
    "an index outside": (
        plain(
            [
                op("aten::full", sizes(1), 1 << 40, dtype=["d", "int64"]),
                op("aten::index.Tensor", X, ["[", ["t", 3]], outs=[4]),
            ]
        ),
        "fails in index",
    ),
    "a tensor of 8 TiB": (plain([op("aten::empty.memory_format", sizes(1 << 40))]), "fails in empty"),
    "a tensor of more bytes than there are numbers": (
        plain([op("aten::ones", sizes(1 << 62, 1 << 62))]),
        "fails in ones",
    ),
    "a tensor of fewer than none": (plain([op("aten::ones", sizes(-1))]), "fails in ones"),
    "arguments that the operation does not take": (plain([op("aten::mm", X, W, X, wrong=1)]), "fails in mm"),
}


@pytest.mark.parametrize("recording, told", REFUSED.values(), ids=REFUSED.keys())
def test_a_recording_that_is_none_is_refused(recording: Any, told: str) -> None:
    with pytest.raises(RecordingRefused, match=told):
        run(recording)


FORGETFUL = {
    "a device": op("aten::ones", sizes(2, 2), device=["v", "cuda:7"], dtype=["d", "float64"]),
    "a generator": op("aten::rand.generator", sizes(2, 2), generator=["g"]),
}


@pytest.mark.parametrize("operation", FORGETFUL.values(), ids=FORGETFUL.keys())
def test_devices_and_generators_are_the_replay_s_own(operation: list[Any]) -> None:
    assert run(plain([operation], ["t", 3])).device.type == "cpu"


def test_a_boundary_that_is_claimed_late_or_early_changes_no_figure_but_what_is_kept() -> None:
    def figures(backward: int | None) -> dict[str, int]:
        counter = Counter()
        ops = [PRODUCT, op("aten::mm", ["t", 3], ["t", 3], outs=[4])]
        ones = torch.ones(2, 2)
        Replay(Recording.read(plain(ops, ["t", 4], cotangents=[], backward=backward))).run([ones, ones], [], counter)
        return counter.figures

    said = [figures(backward) for backward in (0, 1, 2, 99)]
    assert len({tuple(v for k, v in each.items() if k != "kept") for each in said}) == 1
    assert all(each["kept"] <= each["peak"] for each in said)


def test_looks_at_a_tensor_make_no_other_one() -> None:
    """They count as no operation, so that they must be able to do nothing else."""
    look = ["look", [X, sizes(2, 2), sizes(1, 2), 0], {}, [3]]
    counter = Counter()
    x = torch.arange(4.0).reshape(2, 2)
    value = Replay(Recording.read(plain([look], ["t", 3], backward=None))).run([x, x], [x], counter)
    assert torch.equal(value, x.T)
    assert counter.figures["operations"] == counter.figures["written"] == 0


@pytest.mark.parametrize("name", ["aten::mul_.Tensor", "aten::add.out", "aten::copy_", "aten::mm"])
def test_a_look_is_nothing_but_a_look(name: str) -> None:
    with pytest.raises(RecordingRefused):
        run(plain([["look", [X, name], {}, [3]]]))
