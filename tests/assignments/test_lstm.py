"""The lstm reference against torch's own recurrent layers, float64 autograd, and closed forms."""

import math
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

SIZES = [  # N, T, D, H
    pytest.param(2, 5, 3, 4, id="uneven"),
    pytest.param(1, 6, 4, 2, id="one-row"),
    pytest.param(3, 1, 2, 5, id="one-step"),
]


@pytest.fixture(scope="module")
def lstm(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("lstm")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def leaves(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(array, requires_grad=True) for array in arrays]


def gradients(
    outputs: list[torch.Tensor], cotangents: list[np.ndarray], inputs: list[torch.Tensor]
) -> list[np.ndarray]:
    found = torch.autograd.grad(outputs, inputs, [torch.tensor(cotangent) for cotangent in cotangents])
    return [gradient.numpy() for gradient in found]


def assert_close(got: Any, expected: Any, rtol: float = 1e-9, atol: float = 1e-11) -> None:
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


def rnn_arguments(rng: np.random.Generator, n: int, t: int, d: int, h: int) -> list[np.ndarray]:
    """x, s0, U, W, b."""
    return [rng.normal(size=shape) for shape in ((n, t, d), (n, h), (h, d), (h, h), (h,))]


def lstm_arguments(rng: np.random.Generator, n: int, t: int, d: int, h: int) -> list[np.ndarray]:
    """x, h0, c0, W, U, b."""
    return [rng.normal(size=shape) for shape in ((n, t, d), (n, h), (n, h), (4 * h, d), (4 * h, h), (4 * h,))]


def library_rnn(x: torch.Tensor, s0: torch.Tensor, U: torch.Tensor, W: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    weights = [U, W, b, torch.zeros_like(b)]
    return torch.rnn_tanh(x, s0[None], weights, True, 1, 0.0, False, False, True)[0]


def library_lstm(*args: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x, h0, c0, W, U, b = args
    weights = [W, U, b, torch.zeros_like(b)]
    h, h_last, c_last = torch.lstm(x, [h0[None], c0[None]], weights, True, 1, 0.0, False, False, True)
    return h, h_last[0], c_last[0]


# rnn


@pytest.mark.parametrize("n, t, d, h", SIZES)
def test_rnn_equals_torch(lstm: ModuleType, rng: np.random.Generator, n: int, t: int, d: int, h: int) -> None:
    arguments, dout = rnn_arguments(rng, n, t, d, h), rng.normal(size=(n, t, h))
    states, cache = lstm.rnn_forward(*arguments)
    tensors = leaves(*arguments)
    expected = library_rnn(*tensors)
    assert_close([states], [expected.detach().numpy()])
    assert_close(lstm.rnn_backward(dout, cache), gradients([expected], [dout], tensors))


def test_rnn_step_equals_torch_cell(lstm: ModuleType, rng: np.random.Generator) -> None:
    x, *rest = rnn_arguments(rng, 3, 1, 2, 4)
    arguments, dout = [x[:, 0], *rest], rng.normal(size=(3, 4))
    state, cache = lstm.rnn_step_forward(*arguments)
    tensors = leaves(*arguments)
    x_t, s_t, U_t, W_t, b_t = tensors
    expected = torch.rnn_tanh_cell(x_t, s_t, U_t, W_t, b_t, torch.zeros_like(b_t))
    assert_close([state], [expected.detach().numpy()])
    assert_close(lstm.rnn_step_backward(dout, cache), gradients([expected], [dout], tensors))


def test_rnn_does_not_read_the_future(lstm: ModuleType, rng: np.random.Generator) -> None:
    dout = np.zeros((2, 6, 4))
    dout[:, 3] = rng.normal(size=(2, 4))
    dx = lstm.rnn_backward(dout, lstm.rnn_forward(*rnn_arguments(rng, 2, 6, 3, 4))[1])[0]
    assert np.abs(dx[:, :4]).min() > 0
    assert not dx[:, 4:].any()


# forms


def doubling(x: np.ndarray, s: np.ndarray) -> np.ndarray:
    return x + 2 * s


ONES = np.ones((1, 3, 1))


@pytest.mark.parametrize(
    "mode, x, length, expected",
    [
        ("one_to_one", ONES[:, 0], None, [[1]]),
        ("one_to_many", ONES[:, 0], 3, [[[1], [2], [4]]]),
        ("one_to_many", ONES[:, 0], 1, [[[1]]]),
        ("many_to_one", ONES, None, [[7]]),
        ("many_to_many", ONES, None, [[[1], [3], [7]]]),
    ],
)
def test_forms_by_hand(lstm: ModuleType, mode: str, x: np.ndarray, length: int | None, expected: list[Any]) -> None:
    got = lstm.run_rnn(doubling, x, np.zeros((1, 1)), mode, length)
    np.testing.assert_array_equal(got, np.array(expected, dtype=float), strict=True)


def test_many_to_many_equals_torch(lstm: ModuleType, rng: np.random.Generator) -> None:
    x, s0, U, W, b = rnn_arguments(rng, 2, 5, 3, 4)
    expected = library_rnn(*map(torch.tensor, (x, s0, U, W, b))).numpy()

    def step(x_t: np.ndarray, s: np.ndarray) -> np.ndarray:
        return np.tanh(x_t @ U.T + s @ W.T + b)

    assert_close([lstm.run_rnn(step, x, s0, "many_to_many")], [expected])
    assert_close([lstm.run_rnn(step, x, s0, "many_to_one")], [expected[:, -1]])


def test_unknown_mode_is_named(lstm: ModuleType) -> None:
    with pytest.raises(ValueError, match="many_to_few"):
        lstm.run_rnn(doubling, ONES, np.zeros((1, 1)), "many_to_few")


# char_lm


@pytest.mark.parametrize("size, length, rows", [(8, 3, 2), (7, 3, 2), (6, 3, 1), (3, 3, 0), (9, 1, 8)])
def test_batches_are_consecutive_windows(lstm: ModuleType, size: int, length: int, rows: int) -> None:
    inputs, targets = lstm.make_batches(np.arange(size), length)
    assert inputs.shape == targets.shape == (rows, length)
    np.testing.assert_array_equal(inputs.ravel(), np.arange(rows * length))
    np.testing.assert_array_equal(targets, inputs + 1)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_loss_equals_torch(lstm: ModuleType, rng: np.random.Generator, scale: float) -> None:
    logits, targets = scale * rng.normal(size=(2, 3, 5)), rng.integers(0, 5, size=(2, 3))
    loss, dlogits = lstm.char_lm_loss(logits, targets)
    [leaf] = leaves(logits)
    expected = torch.nn.functional.cross_entropy(leaf.flatten(0, 1), torch.tensor(targets).flatten())
    assert_close([loss, dlogits], [expected.item(), *gradients([expected], [np.array(1.0)], [leaf])])


def test_uniform_guess_of_four_letters_costs_ln_4(lstm: ModuleType) -> None:
    assert lstm.char_lm_loss(np.zeros((1, 4, 4)), np.array([[1, 2, 2, 3]]))[0] == pytest.approx(math.log(4))


def test_bigram_of_hello_costs_half_ln_2(lstm: ModuleType) -> None:
    ids = np.array([0, 1, 2, 2, 3])
    inputs, targets = lstm.make_batches(ids, 4)
    table = np.full((4, 4), -1e4)
    for (first, second), count in lstm.ngram_counts(ids, 2).items():
        table[first, second] = math.log(count)
    loss, dlogits = lstm.char_lm_loss(table[inputs], targets)
    assert loss == pytest.approx(math.log(2) / 2, abs=1e-12)
    gradient = np.zeros((4, 4))
    np.add.at(gradient, inputs, dlogits)
    np.testing.assert_allclose(gradient, 0, atol=1e-12)  # a minimum, and the loss is convex in the table


@pytest.mark.parametrize("n", [1, 2, 3, 12, 13])
def test_ngram_counts_equal_a_search(lstm: ModuleType, n: int) -> None:
    text = "abracadabraa"
    counts = lstm.ngram_counts([ord(letter) for letter in text], n)
    assert sum(counts.values()) == max(len(text) - n + 1, 0)
    for gram, count in counts.items():
        word = "".join(map(chr, gram))
        assert count == sum(text.startswith(word, start) for start in range(len(text)))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_samples_follow_the_softmax(lstm: ModuleType, temperature: float, shift: float) -> None:
    logits, rng = np.array([0.0, 1.0, -1.0, 2.0]), np.random.default_rng(3)
    drawn = [lstm.sample(logits + shift, rng, temperature) for _ in range(10_000)]
    weights = np.exp(logits / temperature)
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 10_000, weights / weights.sum(), atol=0.03)
    assert {type(token) for token in drawn} == {int}


# lstm


@pytest.mark.parametrize("n, t, d, h", SIZES)
def test_lstm_equals_torch(lstm: ModuleType, rng: np.random.Generator, n: int, t: int, d: int, h: int) -> None:
    arguments, dout = lstm_arguments(rng, n, t, d, h), rng.normal(size=(n, t, h))
    states, cache = lstm.lstm_forward(*arguments)
    tensors = leaves(*arguments)
    expected = library_lstm(*tensors)[0]
    assert_close([states], [expected.detach().numpy()])
    assert_close(lstm.lstm_backward(dout, cache), gradients([expected], [dout], tensors))


def test_lstm_step_equals_torch_cell(lstm: ModuleType, rng: np.random.Generator) -> None:
    x, *rest = lstm_arguments(rng, 3, 1, 2, 4)
    arguments, cotangents = [x[:, 0], *rest], [rng.normal(size=(3, 4)), rng.normal(size=(3, 4))]
    h, c, cache = lstm.lstm_step_forward(*arguments)
    tensors = leaves(*arguments)
    x_t, h_t, c_t, W_t, U_t, b_t = tensors
    expected = torch.lstm_cell(x_t, (h_t, c_t), W_t, U_t, b_t, torch.zeros_like(b_t))
    assert_close([h, c], [item.detach().numpy() for item in expected])
    assert_close(lstm.lstm_step_backward(*cotangents, cache), gradients(list(expected), cotangents, tensors))


def test_open_forget_gate_and_closed_input_gate_keep_the_cell(lstm: ModuleType, rng: np.random.Generator) -> None:
    x, h, c, W, U, _ = lstm_arguments(rng, 2, 1, 3, 4)
    b = np.repeat([-1e3, 1e3, 0.0, 1e3], 4)
    with np.errstate(all="raise", under="ignore"):
        h_next, c_next, cache = lstm.lstm_step_forward(x[:, 0], h, c, W, U, b)
        grads = lstm.lstm_step_backward(np.zeros_like(h), np.ones_like(c), cache)
    np.testing.assert_array_equal(c_next, c)
    np.testing.assert_array_equal(h_next, np.tanh(c))
    np.testing.assert_array_equal(grads[2], np.ones_like(c))
    assert not any(grad.any() for grad in (*grads[:2], *grads[3:]))


# lstm_fast


@pytest.mark.parametrize("n, t, d, h", SIZES)
def test_lstm_fast_equals_torch(lstm: ModuleType, rng: np.random.Generator, n: int, t: int, d: int, h: int) -> None:
    arguments = lstm_arguments(rng, n, t, d, h)
    cotangents = [rng.normal(size=shape) for shape in ((n, t, h), (n, h), (n, h))]
    ours, theirs = leaves(*arguments), leaves(*arguments)
    states, (h_last, c_last) = lstm.lstm_fast(*ours)
    expected = library_lstm(*theirs)
    assert_close([item.detach() for item in (states, h_last, c_last)], [item.detach() for item in expected])
    got = gradients([states, h_last, c_last], cotangents, ours)
    assert_close(got, gradients(list(expected), cotangents, theirs))


@pytest.mark.parametrize("length", [1, 6])
def test_lstm_fast_needs_at_most_two_products_a_step(lstm: ModuleType, rng: np.random.Generator, length: int) -> None:
    arguments = map(torch.tensor, lstm_arguments(rng, 2, length, 3, 4))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as profile:
        lstm.lstm_fast(*arguments)
    products = sum(
        event.count for event in profile.key_averages() if event.key in ("aten::mm", "aten::addmm", "aten::bmm")
    )
    assert 0 < products <= 2 * length


# clip_grad_norm


@pytest.mark.parametrize("max_norm", [0.5, 3.0, 1e3])
def test_clipping_equals_torch(lstm: ModuleType, rng: np.random.Generator, max_norm: float) -> None:
    grads = [rng.normal(size=shape) for shape in ((2, 3), (4,), (1, 2, 2))]
    clipped, norm = lstm.clip_grad_norm(grads, max_norm)
    parameters = [torch.zeros(grad.shape, dtype=torch.float64, requires_grad=True) for grad in grads]
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.grad = torch.tensor(grad)
    expected = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    assert_close([norm], [expected.item()])
    assert_close(
        clipped, [parameter.grad.numpy() for parameter in parameters], rtol=1e-5
    )  # torch adds 1e-6 to the norm


def test_clipping_by_hand(lstm: ModuleType) -> None:
    clipped, norm = lstm.clip_grad_norm([np.array([3.0]), np.array([4.0])], 1.0)
    assert norm == 5
    assert_close(clipped, [[0.6], [0.8]])


def test_clipping_zero_stays_finite(lstm: ModuleType) -> None:
    with np.errstate(all="raise"):
        clipped, norm = lstm.clip_grad_norm([np.zeros((2, 3)), np.zeros(4)], 1.0)
    assert norm == 0
    assert not any(grad.any() for grad in clipped)


# vanishing


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_norms_of_a_multiple_of_a_rotation_are_powers(
    lstm: ModuleType, rng: np.random.Generator, factor: float
) -> None:
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    assert_close([lstm.bptt_gradient_norms(factor * rotation, 50)], [factor ** np.arange(1, 51)])


def test_norms_of_a_shear_grow_although_its_eigenvalues_are_one(lstm: ModuleType) -> None:
    t = np.arange(1, 9)
    # The largest singular value of [[1, a], [0, 1]] is (a + sqrt(a^2 + 4)) / 2.
    assert_close([lstm.bptt_gradient_norms(np.array([[1.0, 2.0], [0.0, 1.0]]), 8)], [t + np.sqrt(t**2 + 1)])


# bidirectional


def packed_lstm(x: torch.Tensor, lengths: torch.Tensor, *directions: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """torch's bidirectional layer on a packed sequence, differentiable in its parameters."""
    (_, t, d), hidden = x.shape, directions[0][1].shape[1]
    layer = torch.nn.LSTM(d, hidden, batch_first=True, bidirectional=True, dtype=x.dtype)
    weights: dict[str, torch.Tensor] = {}
    for suffix, (W, U, b) in zip(("", "_reverse"), directions, strict=True):
        weights |= {f"weight_ih_l0{suffix}": W, f"weight_hh_l0{suffix}": U}
        weights |= {f"bias_ih_l0{suffix}": b, f"bias_hh_l0{suffix}": torch.zeros_like(b)}
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    out, _ = torch.func.functional_call(layer, weights, (packed,))
    return torch.nn.utils.rnn.pad_packed_sequence(out, batch_first=True, total_length=t)[0]


@pytest.mark.parametrize("lengths", [[2, 5, 1, 4], [3, 1, 4, 2], [5, 5, 5, 5]], ids=["uneven", "none-full", "all-full"])
def test_bidirectional_equals_torch_on_packed_sequences(
    lstm: ModuleType, rng: np.random.Generator, lengths: list[int]
) -> None:
    n, t, d, h = 4, 5, 3, 2
    arrays = [rng.normal(size=(n, t, d))]
    arrays += [rng.normal(size=shape) for shape in ((4 * h, d), (4 * h, h), (4 * h,)) * 2]
    cotangent, sizes = rng.normal(size=(n, t, 2 * h)), torch.tensor(lengths)
    ours, theirs = leaves(*arrays), leaves(*arrays)
    got = lstm.bi_lstm_fast(ours[0], sizes, tuple(ours[1:4]), tuple(ours[4:]))
    expected = packed_lstm(theirs[0], sizes, tuple(theirs[1:4]), tuple(theirs[4:]))
    assert_close([got.detach()], [expected.detach()])
    assert_close(gradients([got], [cotangent], ours), gradients([expected], [cotangent], theirs))


def test_padding_is_not_read_even_where_it_is_nan(lstm: ModuleType, rng: np.random.Generator) -> None:
    x, *params = leaves(*(rng.normal(size=shape) for shape in ((2, 4, 3), *((8, 3), (8, 2), (8,)) * 2)))
    lengths, padding = torch.tensor([2, 3]), torch.tensor([[0, 0, 1, 1], [0, 0, 0, 1]], dtype=torch.bool)
    spoilt = x.detach().masked_fill(padding[..., None], math.nan).requires_grad_()
    expected = lstm.bi_lstm_fast(x, lengths, tuple(params[:3]), tuple(params[3:]))
    got = lstm.bi_lstm_fast(spoilt, lengths, tuple(params[:3]), tuple(params[3:]))
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    assert not got[padding].any()
    found = torch.autograd.grad(got.square().sum(), [spoilt, *params])
    assert all(gradient.isfinite().all() for gradient in found)
    assert not found[0][padding].any()


# tree_lstm


def test_chain_equals_torch(lstm: ModuleType, rng: np.random.Generator) -> None:
    x, _, _, W, U, b = lstm_arguments(rng, 1, 6, 3, 4)
    zeros = np.zeros((1, 4))
    expected = library_lstm(*map(torch.tensor, (x, zeros, zeros, W, U, b)))
    h, c = lstm.child_sum_tree_lstm(x[0], [[], *([node] for node in range(5))], W, U, b)
    assert_close([h, c[-1:]], [expected[0][0], expected[2]])


def torch_tree(x: np.ndarray, children: list[list[int]], W: np.ndarray, U: np.ndarray, b: np.ndarray) -> list[Any]:
    """A node through torch's own cell: the cell's forget gate meets c = 1 and 0, so it can be read off."""
    tensors = [torch.tensor(array) for array in (W, U, b, np.zeros_like(b))]
    hidden = U.shape[1]
    states: list[tuple[torch.Tensor, torch.Tensor]] = []
    none, one = torch.zeros(1, hidden, dtype=torch.float64), torch.ones(1, hidden, dtype=torch.float64)
    for node, kids in enumerate(children):
        x_j = torch.tensor(x[node : node + 1])
        h_sum = sum((states[kid][0] for kid in kids), none)
        without = torch.lstm_cell(x_j, (h_sum, none), *tensors)
        cell = without[1]
        for kid in kids:
            kept = [torch.lstm_cell(x_j, (states[kid][0], start), *tensors)[1] for start in (one, none)]
            cell = cell + (kept[0] - kept[1]) * states[kid][1]
        # h = o tanh(c), and with the sum of the children's h the cell gives o tanh(i g).
        states.append((without[0] / without[1].tanh() * cell.tanh(), cell))
    return [torch.cat(items).numpy() for items in zip(*states, strict=True)]


TREES = [
    pytest.param([[], [], [0, 1]], id="two-leaves"),
    pytest.param([[], [], [], [0, 2], [], [1, 3, 4]], id="three-children"),
    pytest.param([[], [0], [], [], [2, 3]], id="forest"),
    pytest.param([[]], id="one-node"),
]


@pytest.mark.parametrize("children", TREES)
def test_tree_equals_torch_cells(lstm: ModuleType, rng: np.random.Generator, children: list[list[int]]) -> None:
    _, _, _, W, U, b = lstm_arguments(rng, 1, 1, 3, 4)
    x = rng.normal(size=(len(children), 3))
    assert_close(lstm.child_sum_tree_lstm(x, children, W, U, b), torch_tree(x, children, W, U, b), rtol=1e-7)


# all


def test_float32_stays_float32(lstm: ModuleType, rng: np.random.Generator) -> None:
    def single(arrays: list[np.ndarray]) -> list[Any]:
        return [array.astype(np.float32) for array in arrays]

    rnn, chain = single(rnn_arguments(rng, 2, 3, 4, 5)), single(lstm_arguments(rng, 2, 3, 4, 5))
    got: list[Any] = []
    for name, arguments in (("rnn", rnn), ("lstm", chain)):
        out, cache = getattr(lstm, f"{name}_forward")(*arguments)
        got += [out, *getattr(lstm, f"{name}_backward")(np.ones_like(out), cache)]
    got += [*lstm.child_sum_tree_lstm(chain[0][0], [[], [], [0, 1]], *chain[3:])]
    got += [*lstm.char_lm_loss(chain[0], np.zeros((2, 3), dtype=int)), lstm.bptt_gradient_norms(rnn[3], 4)]
    clipped, norm = lstm.clip_grad_norm(rnn, 1.0)
    got += [*clipped, norm, lstm.run_rnn(lambda x, s: x + s, rnn[0][:, 0], rnn[0][:, 0], "one_to_many", 3)]
    assert {str(item.dtype) for item in got} == {"float32"}


def test_arguments_are_not_written_into(lstm: ModuleType, rng: np.random.Generator) -> None:
    rnn, chain = rnn_arguments(rng, 2, 3, 4, 5), lstm_arguments(rng, 2, 3, 4, 5)
    dout = rng.normal(size=(2, 3, 5))
    given = [*rnn, *chain, dout]
    before = [array.copy() for array in given]
    for name, arguments in (("rnn", rnn), ("lstm", chain)):
        getattr(lstm, f"{name}_backward")(dout, getattr(lstm, f"{name}_forward")(*arguments)[1])
    lstm.clip_grad_norm(rnn, 1.0)
    lstm.char_lm_loss(dout, np.zeros((2, 3), dtype=int))
    lstm.child_sum_tree_lstm(chain[0][0], [[], [], [0, 1]], *chain[3:])
    lstm.bptt_gradient_norms(rnn[3], 3)
    for array, copy in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, copy)
