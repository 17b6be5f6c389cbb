"""Timed calls on an accelerator, as a worker makes them: inputs drawn there from a seed that comes with the call, all
work waited for, and the answer vouched for before it is fetched.

Outputs are too large to be sent while a clock runs. So the worker first sends a digest, which ends the time, and then
the answer, which must have that digest: who has not computed it yet cannot know it. Runs in the worker; the grader
uses `digest` alone.
"""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

import torch

from autograder.sandbox import steps
from autograder.sandbox.wire import arrays_in

CACHE_BYTES = 256 << 20  # more than any accelerator's cache
HELD: dict[str, Any] = {}  # the last answer, until it is fetched


def prepare(
    submission: steps.Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]
) -> float:
    """Flush the device's cache and wait for all of its work. From here on float32 means float32: cuDNN's convolutions
    round to TF32 by default, so that two right answers would differ by a thousandth.

    Returns:
        Seconds that the flush took on the device: longer where somebody else's work is going on there.
    """
    HELD.clear()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    device = torch.device(options["device"])
    buffer = torch.empty(CACHE_BYTES if device.type == "cuda" else 1, dtype=torch.uint8, device=device)
    _synchronize(device)
    with _Stopwatch(device) as watch:
        buffer.zero_()
    return watch.seconds


def turn(
    submission: steps.Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]
) -> dict[str, Any]:
    """One step, timed: `options["does"]`, with inputs from the helper `options["inputs"]`.

    Returns:
        `{"digest": of the answer, "seconds": that the device says it took}`.
    """
    device, helpers = torch.device(options["device"]), cast(ModuleType, submission.helpers)
    if options.get("library"):  # the library's operation stands among the helpers
        submission = steps.Submission(helpers, helpers)
    with _Stopwatch(device) as watch:
        generator = torch.Generator(device).manual_seed(options["seed"])
        inputs = list(getattr(helpers, options["inputs"])(generator))
        HELD["answer"] = steps.STEPS[options["does"]](submission, name, inputs, kwargs, options)
        said = digest(HELD["answer"], options["seed"])
    return {"digest": said, "seconds": watch.seconds}


def fetch(
    submission: steps.Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]
) -> Any:
    """The answer of the last turn."""
    return HELD.pop("answer", None)


def roofline(
    submission: steps.Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]
) -> dict[str, float]:
    """What the device can do at best, measured: floating-point operations a second of a large float32 product (in
    TF32 where the device has it, since submissions may switch it on), bytes a second of a copy."""
    device = torch.device(options["device"])
    size, count = (8192, 1 << 28) if device.type == "cuda" else (256, 1 << 20)
    torch.backends.cuda.matmul.allow_tf32 = True
    left, right = torch.randn(2, size, size, device=device)
    source = torch.randn(count, device=device)
    product = _best(device, lambda: left @ right)
    copy = _best(device, source.clone)
    torch.backends.cuda.matmul.allow_tf32 = False
    return {"flops": 2.0 * size**3 / product, "bytes": 2.0 * source.nbytes / copy}


def digest(value: Any, key: int) -> int:
    """64 bits of everything in an answer, the same on any device: words mixed with their places, then added up."""
    total = 0
    for place, item in enumerate(arrays_in(value)):
        words = _words(torch.as_tensor(item).detach())
        mixed = words + torch.arange(words.numel(), device=words.device) * 0x9E3779B1 + (key + place)
        for shift, factor in ((31, 0x7FB5D329728EA185), (27, -0x7E25210B43D22BB3), (33, 1)):
            mixed = (mixed ^ (mixed >> shift)) * factor
        total = (total * 31 + int(mixed.sum())) % (1 << 63)
    return total


def _words(tensor: torch.Tensor) -> torch.Tensor:
    """Its bits as int64, flat."""
    flat = tensor.resolve_conj().contiguous().flatten()
    kinds = {4: torch.int32, 8: torch.int64}
    kind = kinds.get(flat.element_size())
    return flat.view(kind).long() if kind is not None else flat.to(torch.float32).view(torch.int32).long()


def _best(device: torch.device, work: Callable[[], object]) -> float:
    """Seconds of the best of ten."""
    seconds = []
    for _ in range(10):
        with _Stopwatch(device) as watch:
            work()
        seconds.append(watch.seconds)
    return min(seconds)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class _Stopwatch:
    """The device's own events around a block, and all streams waited for; the processor's clock where there are
    none."""

    seconds = 0.0

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.started = 0.0
        self.events: list[Any] = []

    def __enter__(self) -> "_Stopwatch":
        if self.device.type == "cuda":
            self.events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]  # type: ignore[no-untyped-call]
            self.events[0].record()
        self.started = time.perf_counter()
        return self

    def __exit__(self, *error: Any) -> None:
        if self.events:
            self.events[1].record()
        _synchronize(self.device)
        self.seconds = time.perf_counter() - self.started
        if self.events:
            self.seconds = self.events[0].elapsed_time(self.events[1]) / 1000


steps.STEPS |= {"prepare": prepare, "turn": turn, "fetch": fetch, "roofline": roofline}
