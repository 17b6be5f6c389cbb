"""The LSTM: as a step, as a chain, fast, in both directions, on trees."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks import Tolerance

SIZES = [  # N, T, D, H: all differ, so that a swapped axis shows
    pytest.param(2, 5, 3, 4, id="uneven"),
    pytest.param(3, 1, 2, 5, id="one-step"),
    pytest.param(1, 6, 4, 2, id="one-row"),
]
EXACT = Tolerance(0.0, 1e-11)


def lstm_arguments(draw: Any, n: int, t: int, d: int, h: int) -> list[np.ndarray]:
    """x, h0, c0, W, U, b."""
    return [draw(n, t, d), draw(n, h), draw(n, h), draw(4 * h, d) / d**0.5, draw(4 * h, h) / h**0.5, draw(4 * h)]


def two_calls(draw: Any, *sizes: int) -> list[list[np.ndarray]]:
    """Arguments of two calls; the second's x is of any size."""
    first, second = lstm_arguments(draw, *sizes), lstm_arguments(draw, *sizes)
    return [first, [draw.wide(*second[0].shape), *second[1:]]]


def saturated(draw: Any) -> np.ndarray:
    """A bias that pushes 16 units into every combination of closed and open gates."""
    return draw.rng.permutation(list(product((-1e3, 1e3), repeat=4))).T.ravel()


@pytest.mark.task("lstm")
@weight(4)
@number("4.2")
@visibility("after_published")
@pytest.mark.parametrize(  # of the large one, a derivative taken entry by entry takes minutes
    "n, d, h", [(3, 2, 5), (1, 4, 3), (4, 5, 1), (400, 400, 1)], ids=["batch", "one-row", "one-unit", "large"]
)
def test_lstm_step(agrees, draw, n, d, h):
    """lstm_step: both states after one step, and gradients from both"""
    x, *rest = lstm_arguments(draw, n, 1, d, h)
    agrees.pair("lstm_step", x[:, 0], *rest)
    agrees.interleaved("lstm_step", *([x[:, 0], *rest] for x, *rest in two_calls(draw, 3, 1, 2, 4)))


@pytest.mark.task("lstm")
@weight(4)
@number("4.3")
@visibility("after_published")
@pytest.mark.parametrize("n, t, d, h", [*SIZES, pytest.param(20, 10, 800, 1, id="large")])
def test_lstm_through_time(agrees, draw, n, t, d, h):
    """lstm: hidden states, and backpropagation through time with a loss at every step"""
    agrees.pair("lstm", *lstm_arguments(draw, n, t, d, h))
    agrees.interleaved("lstm", *two_calls(draw, 2, 5, 3, 4))


@pytest.mark.task("lstm", kind="property")
@weight(3)
@number("4.4")
@visibility("after_published")
@pytest.mark.parametrize("t", [1, 40])
def test_lstm_keeps_its_memory(student, draw, expect, t):
    """lstm: with f = 1 and i = 0 the cell is kept exactly, and its gradient comes back unchanged"""
    n, h = 5, 2  # with 400 features, as for large ones
    x, h0, c0, W, U, _ = lstm_arguments(draw, n, t, 400, h)
    b, dc, dout = np.repeat([-1e3, 1e3, 0.0, 1e3], h), draw(n, h), draw(n, t, h)
    step = student.pair("lstm_step", x[:, 0], h0, c0, W, U, b, cotangents=[np.zeros((n, h)), dc])
    expect(step["outputs"]["c"], c0, what="c after a step with f = 1 and i = 0", tol=EXACT)
    expect(step["gradients"]["dc"], dc, what="dc of that step, with no gradient to h", tol=EXACT)
    chain = student.pair("lstm", x, h0, c0, W, U, b, cotangents=[dout])
    kept = np.repeat(np.tanh(c0)[:, None], t, axis=1)
    expect(chain["outputs"]["h"], kept, what=f"h with f = o = 1 and i = 0 for T = {t}", tol=EXACT)
    slope = dout.sum(axis=1) * (1 - np.tanh(c0) ** 2)
    expect(chain["gradients"]["dc0"], slope, what=f"dc0 with f = o = 1 and i = 0 for T = {t}")


@pytest.mark.task("lstm")
@weight(2)
@number("4.5")
@visibility("after_published")
@pytest.mark.parametrize("n, t, d", [(2, 1, 3), (2, 3, 3), (1, 12, 1000)], ids=["1", "3", "large"])
def test_lstm_saturated(agrees, draw, n, t, d):
    """lstm: gates pushed to 0 or 1 by huge pre-activations stay finite"""
    x, h0, c0, W, U, _ = lstm_arguments(draw, n, t, d, 16)
    agrees.pair("lstm", x, h0, c0, W, U, saturated(draw))


def single(*arrays: np.ndarray) -> list[np.ndarray]:
    return [array.astype(np.float32) for array in arrays]


def tensors(arrays: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.from_numpy(array) for array in arrays]


NAMES = ["rnn_step", "rnn", "run_rnn", "char_lm_loss", "lstm_step", "lstm", "lstm_fast"]
NAMES += ["clip_grad_norm", "bptt_gradient_norms", "bi_lstm_fast", "child_sum_tree_lstm"]


@pytest.mark.task("lstm", kind="dtype")
@weight(1)
@number("4.6")
@visibility("after_published")
@pytest.mark.parametrize("name", NAMES)
def test_keeps_dtype(keeps_dtype, draw, name):
    """all functions: float32 in, float32 out"""
    gated = single(*lstm_arguments(draw, 2, 3, 4, 5))
    x, s0, U, W, b = plain = single(draw(2, 3, 4), draw(2, 5), draw(5, 4), draw(5, 5), draw(5))
    others = keeps_dtype.if_right
    if name == "rnn_step":
        others.pair(name, x[:, 0], *plain[1:])
    elif name == "rnn":
        others.pair(name, *plain)
    elif name == "run_rnn":
        others.run("unroll", "one_to_many", x[:, 0], s0, U.T.copy(), W, 3)
    elif name == "char_lm_loss":
        others(name, x, draw.ints(0, 4, 2, 3))
    elif name == "lstm_step":
        keeps_dtype.pair(name, gated[0][:, 0], *gated[1:])
    elif name == "lstm":
        keeps_dtype.pair(name, *single(*lstm_arguments(draw, 20, 10, 800, 1)))
    elif name == "lstm_fast":
        others.autograd(name, *tensors(gated))
    elif name == "clip_grad_norm":
        others(name, [x, b], 0.01, tol=Tolerance(1e-5, 1e-9))  # 1e-6 in the denominator is fine
    elif name == "bptt_gradient_norms":
        others(name, W, 3)
    elif name == "bi_lstm_fast":
        params = tuple(tensors(gated[3:]))
        others.autograd(name, tensors(gated)[0], torch.tensor([3, 2]), params, params)
    else:
        others(name, gated[0][0], [[], [], [0, 1]], *gated[3:])


@pytest.mark.task("lstm_fast")
@weight(3)
@number("5.2")
@visibility("after_published")
@pytest.mark.parametrize("n, t, d, h", SIZES)
def test_lstm_fast(agrees, draw, n, t, d, h):
    """lstm_fast: hidden states, final states and gradients"""
    for arguments in two_calls(draw, n, t, d, h):
        agrees.autograd("lstm_fast", *tensors(arguments))


@pytest.mark.task("lstm_fast", kind="property")
@weight(1)
@number("5.3")
@visibility("after_published")
def test_lstm_fast_continues(student, draw, expect):
    """lstm_fast: a sequence read in two parts, the second from the first's final states, is the whole sequence"""
    x, h0, c0, *params = tensors(lstm_arguments(draw, 2, 7, 3, 4))
    whole, _ = student.lstm_fast(x, h0, c0, *params)
    expect.true(expect.array(whole, (2, 7, 4), what="h").any(), "h should not be 0 everywhere")
    h, (h_mid, c_mid) = student.lstm_fast(x[:, :3], h0, c0, *params)
    expect(h, whole[:, :3], what="h over the first part")
    rest, _ = student.lstm_fast(x[:, 3:], h_mid, c_mid, *params)
    expect(rest, whole[:, 3:], what="h over the second part, from the final states of the first")


@pytest.mark.task("lstm_fast")
@weight(1)
@number("5.4")
@visibility("after_published")
def test_lstm_fast_saturated(agrees, draw):
    """lstm_fast: gates pushed to 0 or 1 by huge pre-activations stay finite"""
    x, h0, c0, W, U, _ = lstm_arguments(draw, 2, 3, 4, 16)
    agrees.autograd("lstm_fast", *tensors([x, h0, c0, W, U, saturated(draw)]))


def two_way(draw: Any, n: int, t: int, d: int, h: int) -> tuple[Any, ...]:
    """x, and (W, U, b) for each direction."""
    shapes = ((4 * h, d), (4 * h, h), (4 * h,))
    return draw.tensor(n, t, d), *(tuple(draw.tensor(*shape) / 2 for shape in shapes) for _ in range(2))


@pytest.mark.task("bidirectional")
@weight(3)
@number("8.2")
@visibility("after_published")
@pytest.mark.parametrize(
    "lengths, t",
    [([2, 5, 1, 4], 5), ([3, 1, 4], 6), ([1, 1], 1), ([6], 6)],
    ids=["unsorted", "none-full", "one-step", "one-row"],
)
def test_bidirectional_lengths(agrees, draw, lengths, t):
    """bi_lstm_fast: each row is read backwards from its own last step; outputs and gradients"""
    x, forward, backward = two_way(draw, len(lengths), t, 3, 2)
    for read in (x, draw.tensor(*x.shape, wide=True)):
        agrees.autograd("bi_lstm_fast", read, torch.tensor(lengths), forward, backward)


@pytest.mark.task("bidirectional", kind="property")
@weight(1)
@number("8.3")
@visibility("after_published")
def test_bidirectional_padding(student, draw, expect):
    """bi_lstm_fast: outputs at padding are 0, and which finite numbers the input holds there changes nothing"""
    x, forward, backward = two_way(draw, 3, 6, 3, 2)
    lengths = torch.tensor([2, 5, 3])
    padding = torch.arange(6) >= lengths[:, None]
    out = expect.array(student.bi_lstm_fast(x, lengths, forward, backward), (3, 6, 4), what="the output")
    expect.true(not out[padding].any(), "the output should be 0 at every step from lengths[n] on")
    expect.true(out[~padding].any(), "the output should not be 0 at the steps before lengths[n]")
    littered = torch.where(padding[..., None], 100 * draw.tensor(3, 6, 3), x)
    again = student.bi_lstm_fast(littered, lengths, forward, backward)
    expect(again, out, what="the output with other numbers in the padding")


@pytest.mark.task("bidirectional", kind="property")
@weight(1)
@number("8.4")
@visibility("after_published")
@pytest.mark.parametrize("half", ["forward", "backward"])
def test_bidirectional_sees_both_ways(student, draw, expect, half):
    """bi_lstm_fast: the forward half depends on the past only, the backward half on the future only"""
    x, forward, backward = two_way(draw, 2, 5, 3, 4)
    lengths, cotangent = torch.tensor([5, 5]), torch.zeros(2, 5, 8, dtype=torch.float64)
    part, seen = (slice(0, 4), slice(0, 2)) if half == "forward" else (slice(4, 8), slice(1, 5))
    cotangent[:, 1, part] = draw.tensor(2, 4)
    got = student.autograd("bi_lstm_fast", x, lengths, forward, backward, cotangents=[cotangent], wrt=[0])
    gradient = expect.array(got["gradients"]["0"], (2, 5, 3), what="the gradient to x")
    reached, expected = gradient.abs().amax(dim=(0, 2)) > 1e-12, torch.zeros(5, dtype=torch.bool)
    expected[seen] = True
    words = "only steps up to it" if half == "forward" else "only that step and those after it"
    message = f"of the steps 0 to 4 the {half} half at step 1 should depend on {words}; here: {_steps(reached)}"
    expect.true(torch.equal(reached, expected), message)


def _steps(reached: torch.Tensor) -> str:
    return ", ".join(str(step) for step in reached.nonzero().flatten().tolist()) or "none"


def random_tree(draw: Any, nodes: int) -> list[list[int]]:
    """Each node but the last is the child of a later one."""
    children: list[list[int]] = [[] for _ in range(nodes)]
    for node in range(nodes - 1):
        children[int(draw.rng.integers(node + 1, nodes))].append(node)
    return children


@pytest.mark.task("tree_lstm")
@weight(3)
@number("9.2")
@visibility("after_published")
@pytest.mark.parametrize("shape", ["one-node", "three-children", "forest", "random"])
def test_tree(agrees, draw, shape):
    """child_sum_tree_lstm: both states of every node"""
    fixed = {
        "one-node": [[]],
        "three-children": [[], [], [], [0, 2], [], [1, 3, 4]],
        "forest": [[], [0], [], [], [3, 2]],
    }
    children = fixed.get(shape) or random_tree(draw, 9)
    _, _, _, W, U, b = lstm_arguments(draw, 1, 1, 3, 4)
    for drawn in (draw, draw.wide):
        agrees("child_sum_tree_lstm", drawn(len(children), 3), children, W, U, b)


@pytest.mark.task("tree_lstm", kind="property")
@weight(2)
@number("9.3")
@visibility("after_published")
@pytest.mark.parametrize("kept", [0, 1])
def test_tree_forgets_by_child(student, draw, expect, kept):
    """child_sum_tree_lstm: a node can keep one child's cell and forget the other's"""
    sign, v = (1.0 if kept == 0 else -1.0), np.array([2.5, 2.5]) + np.abs(draw(2))
    v[kept] = 1 + 0.3 / (1 + abs(float(draw())))  # the child to be kept is the weaker one
    # Leaves write +-tanh(v); the root writes nothing (i = 0), and its forget gate opens for an h of this sign.
    x = np.array([[1.0, v[0]], [1.0, -v[1]], [-1.0, 0.0]])
    W, U, b = np.zeros((4, 2)), np.zeros((4, 1)), np.array([0.0, 0.0, 0.0, 1.0])
    W[0, 0], W[2, 1], U[1, 0] = 1e3, 1.0, sign * 1e5
    h_and_c = student.child_sum_tree_lstm(x, [[], [], [0, 1]], W, U, b)
    cells = expect.array(h_and_c[1], (3, 1), what="c")
    expect(cells[:2, 0], np.tanh([v[0], -v[1]]), what="c of the two leaves")
    expect(cells[2], cells[kept], what=f"c of a root that writes nothing and keeps only child {kept}")
    revealed = np.tanh(cells) / (1 + np.exp(-1.0))  # o = sigmoid(1) everywhere
    expect(h_and_c[0], revealed, what="h")


@pytest.mark.task("tree_lstm", kind="property")
@weight(2)
@number("9.4")
@visibility("after_published")
def test_tree_ignores_child_order(student, reference, draw, expect):
    """child_sum_tree_lstm: listing the children in another order changes nothing"""
    _, _, _, W, U, b = lstm_arguments(draw, 1, 1, 3, 4)
    x, children = draw(7, 3), [[], [], [], [2, 0], [], [], [3, 1, 5, 4]]
    h, c = student.child_sum_tree_lstm(x, children, W, U, b)
    right, leaves = reference.child_sum_tree_lstm(x, children, W, U, b), [0, 1, 2, 4, 5]
    expect(expect.array(h, (7, 4), what="h")[leaves], right[0][leaves], what="h of the leaves")
    expect(expect.array(c, (7, 4), what="c")[leaves], right[1][leaves], what="c of the leaves")
    turned = student.child_sum_tree_lstm(x, [kids[::-1] for kids in children], W, U, b)
    expect(turned, (h, c), what="(h, c) with every list of children reversed")
