"""The reference of each fast task against the library's own operation: one thread, medians, forward and backward.

The library's call computes the same numbers (compared before anything is timed); the ratio is what a student's best
effort can hope for, and what race targets are calibrated on.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

import torch
from rich.table import Table
from torch import nn
from torch.nn import functional as F

from autograder.assignment import load_assignment
from autograder.checks import module_from_source
from benchmarks import repetitions
from benchmarks.tables import show

REPETITIONS = repetitions(15)


@dataclass(frozen=True)
class Workload:
    """Two ways to compute the same: a task's reference and the library."""

    task: str
    size: str
    reference: Callable[[], torch.Tensor]
    library: Callable[[], torch.Tensor]
    leaves: tuple[torch.Tensor, ...]


def main(names: Sequence[str]) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    table = Table(title=f"references against the library, one thread, medians of {REPETITIONS} in turns, with backward")
    for name in ("task", "size", "reference", "library", "ratio"):
        table.add_column(name, justify="left" if name in ("task", "size") else "right")
    for workload in workloads(names):
        mine, theirs = timed(workload)
        table.add_row(
            workload.task, workload.size, f"{mine * 1e3:.2f} ms", f"{theirs * 1e3:.2f} ms", f"{mine / theirs:.2f}"
        )
    show(table)


def timed(workload: Workload) -> tuple[float, float]:
    """Median seconds of both sides, after they were seen to agree."""
    torch.testing.assert_close(workload.reference(), workload.library(), rtol=1e-3, atol=1e-4)
    seconds: dict[str, list[float]] = {"reference": [], "library": []}
    for _ in range(REPETITIONS):
        for side, spent in seconds.items():
            started = time.perf_counter()
            _step(getattr(workload, side), workload.leaves)
            spent.append(time.perf_counter() - started)
    return statistics.median(seconds["reference"]), statistics.median(seconds["library"])


def _step(function: Callable[[], torch.Tensor], leaves: tuple[torch.Tensor, ...]) -> None:
    output = function()
    if output.requires_grad:
        torch.autograd.grad(output, leaves, torch.ones_like(output), allow_unused=True)


def workloads(names: Sequence[str]) -> Iterator[Workload]:
    """One for each fast task of these assignments."""
    for name in names:
        if name in MAKERS:
            assignment = load_assignment(name)
            source = assignment.solution.read_text()
            yield from MAKERS[name](module_from_source(f"reference_{name}", source, str(assignment.solution)))


def _leaf(*shape: int) -> torch.Tensor:
    return (torch.randn(*shape) / shape[-1] ** 0.5).requires_grad_()


def _conv(module: ModuleType) -> Iterator[Workload]:
    x, w, b = _leaf(8, 16, 32, 32), _leaf(32, 16, 3, 3), _leaf(32)
    yield Workload(
        "conv.conv2d_fast",
        "8x16x32x32, 32 kernels of 3x3",
        lambda: module.conv2d_fast(x, w, b, stride=1, padding=1),
        lambda: F.conv2d(x, w, b, padding=1),
        (x, w, b),
    )


def _resnet(module: ModuleType) -> Iterator[Workload]:
    block = module.BasicBlock(32, 32).eval()
    params = dict(block.state_dict())
    x = torch.randn(8, 32, 28, 28)
    yield Workload(
        "resnet.residual_fast",
        "8x32x28x28, against the block itself",
        lambda: module.residual_fast(x, params),
        lambda: block(x).detach(),
        (x,),
    )


def _lstm(module: ModuleType) -> Iterator[Workload]:
    cell = nn.LSTM(64, 128, batch_first=True)
    both = nn.LSTM(64, 128, batch_first=True, bidirectional=True)
    x, h0, c0 = _leaf(16, 64, 64), torch.zeros(16, 128), torch.zeros(16, 128)
    params = cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0
    with torch.no_grad():
        for name, item in [*cell.named_parameters(), *both.named_parameters()]:
            if "bias_hh" in name:
                item.zero_()
    yield Workload(
        "lstm.lstm_fast",
        "N 16, T 64, D 64, H 128",
        lambda: module.lstm_fast(x, h0, c0, *params)[0],
        lambda: cell(x, (h0[None], c0[None]))[0],
        (x, *params),
    )
    forward = both.weight_ih_l0, both.weight_hh_l0, both.bias_ih_l0
    backward = both.weight_ih_l0_reverse, both.weight_hh_l0_reverse, both.bias_ih_l0_reverse
    lengths = torch.full((16,), 64)
    yield Workload(
        "lstm.bi_lstm_fast",
        "N 16, T 64, D 64, H 128",
        lambda: module.bi_lstm_fast(x, lengths, forward, backward),
        lambda: both(x)[0],
        (x, *forward, *backward),
    )


def _attention(module: ModuleType) -> Iterator[Workload]:
    q, k, v = _leaf(4, 1024, 64), _leaf(4, 1024, 64), _leaf(4, 1024, 64)
    yield Workload(
        "attention.flash",
        "4 x T 1024 x d 64, causal",
        lambda: module.StreamingAttention.apply(q, k, v, True),
        lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        (q, k, v),
    )
    mine, theirs, x = (
        module.MultiHeadAttention(128, 8),
        nn.MultiheadAttention(128, 8, batch_first=True),
        _leaf(8, 128, 128),
    )
    with torch.no_grad():
        for part, weight, bias in zip(
            (mine.q_proj, mine.k_proj, mine.v_proj),
            theirs.in_proj_weight.chunk(3),
            theirs.in_proj_bias.chunk(3),
            strict=True,
        ):
            part.weight.copy_(weight)
            part.bias.copy_(bias)
    mine.out_proj.load_state_dict(theirs.out_proj.state_dict())
    yield Workload(
        "attention.multi_head",
        "N 8, T 128, d 128, 8 heads",
        lambda: mine(x, x, x),
        lambda: theirs(x, x, x, need_weights=False)[0],
        (x,),
    )


def _gcn(module: ModuleType) -> Iterator[Workload]:
    n, edges = 5_000, 50_000
    edge_index, value = torch.randint(n, (2, edges)), torch.rand(edges)
    x, w0, w1 = _leaf(n, 64), _leaf(64, 32), _leaf(32, 7)
    matrix = torch.sparse_coo_tensor(edge_index.flip(0), value, (n, n), check_invariants=True).coalesce()
    yield Workload(
        "gcn.spmm",
        f"{n} nodes, {edges} edges, d 64",
        lambda: module.spmm(edge_index, value, x, n),
        lambda: torch.sparse.mm(matrix, x),
        (x,),
    )

    def library() -> torch.Tensor:
        hidden = torch.relu(torch.sparse.mm(matrix, x @ w0))
        return torch.log_softmax(torch.sparse.mm(matrix, hidden @ w1), dim=1)

    size = f"{n} nodes, {edges} edges, 64-32-7"
    yield Workload("gcn.gcn_fast", size, lambda: module.gcn_fast(x, w0, w1, edge_index, value), library, (x, w0, w1))


def _autoencoder(module: ModuleType) -> Iterator[Workload]:
    x = torch.randn(256, 32) @ torch.randn(32, 4096) + 0.01 * torch.randn(256, 4096)

    def error(mean: torch.Tensor, components: torch.Tensor) -> torch.Tensor:
        centred = x - mean
        return (centred - centred @ components.T @ components).square().sum()

    def library() -> torch.Tensor:
        mean = x.mean(0)
        return error(mean, torch.linalg.svd(x - mean, full_matrices=False).Vh[:16])

    size = "256 x 4096, k 16, against the full SVD"
    yield Workload("autoencoder.pca_fast", size, lambda: error(*module.pca_fast(x, 16)), library, (x,))


def _regularization(module: ModuleType) -> Iterator[Workload]:
    n, side, crop = 128, 64, 56
    images = _leaf(n, 3, side, side)
    numbers = {name: torch.randint(side - crop + 1, (n,)) for name in ("top", "left", "dy", "dx")}
    params = numbers | {"flip": torch.rand(n) < 0.5, "size": (crop, crop)}
    rows, cols = (torch.arange(crop) - numbers[name][:, None] for name in ("dy", "dx"))
    mirrored = torch.where(params["flip"][:, None], crop - 1 - cols, cols)

    def coordinates(within: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        inside = (within >= 0) & (within < crop)
        return torch.where(inside, (2 * (start[:, None] + within) + 1) / side - 1, 2.0)  # 2: outside the image

    down, across = coordinates(rows, numbers["top"]), coordinates(mirrored, numbers["left"])
    grid = torch.stack([across[:, None, :].expand(-1, crop, -1), down[:, :, None].expand(-1, -1, crop)], dim=3)

    def library() -> torch.Tensor:
        return F.grid_sample(images, grid, mode="nearest", align_corners=False)

    size = f"N {n}, 3 x {side} x {side} to {crop} x {crop}, against nearest-neighbour sampling"
    yield Workload(
        "regularization.augment_fast", size, lambda: module.augment_batch_fast(images, params), library, (images,)
    )


MAKERS: dict[str, Callable[[ModuleType], Iterator[Workload]]] = {
    "conv": _conv,
    "resnet": _resnet,
    "lstm": _lstm,
    "attention": _attention,
    "gcn": _gcn,
    "autoencoder": _autoencoder,
    "regularization": _regularization,
}
