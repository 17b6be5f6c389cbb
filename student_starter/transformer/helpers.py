"""What the transformer's checks run beside the submission. It reports what came back and does not judge."""

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

State = dict[str, Tensor]


class ContractError(Exception):
    """The submission breaks the contract; the message is for the student."""


def layer_norm_output(submission: ModuleType, *args: Any) -> Any:
    """The output of layer_norm_forward, whatever its backward does."""
    returned = submission.layer_norm_forward(*args)
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise ContractError(f"layer_norm_forward must return (out, cache); it returned {type(returned).__name__}")
    return returned[0]


def two_layer_norms(
    submission: ModuleType, first: list[np.ndarray], second: list[np.ndarray], douts: list[np.ndarray]
) -> dict[str, Any]:
    """Forward passes of two calls, then their backward passes: both caches are alive at once.

    Args:
        submission: the student's module.
        first, second: x, gamma and beta of either call.
        douts: the gradient that arrives at either.
    """
    (out_1, cache_1), (out_2, cache_2) = submission.layer_norm_forward(*first), submission.layer_norm_forward(*second)
    back_1, back_2 = (submission.layer_norm_backward(*pair) for pair in zip(douts, (cache_1, cache_2), strict=True))
    return {"first out": out_1, "second out": out_2, "first gradients": back_1, "second gradients": back_2}


def parameter_shapes(submission: ModuleType, sizes: list[int]) -> dict[str, list[int]]:
    """Name and shape of every parameter of a Transformer; sizes are vocab, d_model, heads, d_ff and layers."""
    return {name: list(item.shape) for name, item in submission.Transformer(*sizes).named_parameters()}


def logits(submission: ModuleType, sizes: list[int], state: State, src: Tensor, tgt: Tensor) -> Any:
    """What a Transformer with these parameters predicts."""
    return loaded(submission, sizes, state)(src, tgt)


def gradients(
    submission: ModuleType, sizes: list[int], state: State, src: Tensor, tgt: Tensor, cotangent: Tensor
) -> dict[str, Any]:
    """The gradient of the sum of cotangent * logits to every parameter of a Transformer."""
    model = loaded(submission, sizes, state)
    out = model(src, tgt)
    if not isinstance(out, Tensor) or out.shape != cotangent.shape:
        return {"logits": out, **dict.fromkeys(state)}
    leaves = [model.get_parameter(name) for name in state]
    found = torch.autograd.grad(out, leaves, cotangent, materialize_grads=True)
    return {"logits": out, **dict(zip(state, found, strict=True))}


def step_by_step(submission: ModuleType, sizes: list[int], state: State, src: Tensor, tgt: Tensor) -> list[Any]:
    """The last logits of every prefix of the target, one call after another."""
    model = loaded(submission, sizes, state)
    return [model(src, tgt[:, :length])[:, -1] for length in range(1, tgt.shape[1] + 1)]


def closest_to_a_kink(submission: ModuleType, sizes: list[int], state: State, src: Tensor, tgt: Tensor) -> float:
    """The smallest input of any relu, in magnitude: where it is nearly 0, rounding may decide which way it goes."""
    model, closest = loaded(submission, sizes, state), [1.0]
    for module in model.modules():
        if isinstance(module, submission.FeedForward):
            module.fc1.register_forward_hook(lambda _, __, out: closest.append(out.abs().min().item()))
    model(src, tgt)
    return min(closest)


def decoded(
    submission: ModuleType,
    function: str,
    sizes: list[int],
    state: State,
    src: Tensor,
    bos: int,
    eos: int,
    max_len: int,
) -> Any:
    """What `greedy_decode` or `greedy_decode_cached` writes with a Transformer of these parameters."""
    return getattr(submission, function)(loaded(submission, sizes, state), src, bos, eos, max_len)


class _Choices(TorchFunctionMode):
    """Notes what is chosen from: the inputs of argmax and max over the tokens."""

    def __init__(self, rows: int, vocab: int) -> None:
        super().__init__()
        self.shape, self.seen = (rows, -1, vocab), list[Tensor]()

    def note(self, logits: Tensor) -> None:
        """The last place's logits of each row, whatever their shape."""
        self.seen.append(logits.reshape(self.shape)[:, -1])

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("argmax", "max", "topk") and args[0].shape[-1] == self.shape[-1]:
            self.note(args[0])
        return func(*args, **(kwargs or {}))


def scored(
    submission: ModuleType, sizes: list[int], state: State, src: Tensor, bos: int, eos: int, max_len: int
) -> Any:
    """What greedy_decode_cached writes, and the logits (steps, N, vocab) that each token was chosen by: what `out`
    gives, or, where the program does without calling it, what it takes the largest of."""
    model = loaded(submission, sizes, state)
    given, chosen = _Choices(len(src), sizes[0]), _Choices(len(src), sizes[0])
    model.out.register_forward_hook(lambda _, inputs, logits: given.note(logits))
    with chosen:
        tokens = submission.greedy_decode_cached(model, src, bos, eos, max_len)
    seen = given.seen or chosen.seen
    return {"tokens": tokens, "logits": torch.stack(seen) if seen else None}


def sharpened(
    submission: ModuleType, sizes: list[int], state: State, texts: list[Tensor], never: int
) -> dict[str, Tensor]:
    """The same parameters, but for the bias of `out`: the mean of the logits over some texts is taken off.

    A transformer of random parameters likes one token so much that it writes it for ever. Token `never` is made
    impossible, so that a text as long as wanted is written.
    """
    mean = logits(submission, sizes, state, *texts).detach().mean(dim=(0, 1))
    bias = state["out.bias"] - mean
    bias[never] = -1e6
    return {**state, "out.bias": bias}


def written(
    submission: ModuleType, sizes: list[int], state: State, src: Tensor, bos: int, eos: int, max_len: int
) -> dict[str, Any]:
    """What is written, and by how much the likeliest token is ahead of the next where that is least."""
    tokens = decoded(submission, "greedy_decode_cached", sizes, state, src, bos, eos, max_len)  # the quicker of two
    best = logits(submission, sizes, state, src, tokens[:, :-1]).detach().topk(2).values
    return {"tokens": tokens, "gap": (best[..., 0] - best[..., 1]).min().item()}


def loaded(submission: ModuleType, sizes: list[int], state: State) -> nn.Module:
    """The submission's Transformer with these tensors as its parameters. It may have buffers of its own.

    Raises:
        ContractError: its parameters are not those of the stub.
    """
    model: nn.Module = submission.Transformer(*sizes).to(next(iter(state.values())).dtype)
    own = dict(model.named_parameters())
    if own.keys() != state.keys() or any(own[name].shape != item.shape for name, item in state.items()):
        wrong = sorted(own.keys() ^ state.keys()) or [name for name in state if own[name].shape != state[name].shape]
        raise ContractError(f"Transformer does not have the parameters of the stub: see {', '.join(wrong[:4])}")
    model.load_state_dict(state, strict=False, assign=True)
    return model
