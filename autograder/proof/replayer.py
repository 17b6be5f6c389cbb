"""The process in which recordings are replayed: confined like a worker, and never holds a submission.

It is asked to `load` a recording under a name, to `run` one on inputs, to let two take `turns`, and answers each with a
value or an error, both plain.
"""

import math
from collections.abc import Callable
from typing import Any

import torch

from autograder.proof import device, structure
from autograder.proof.recording import DTYPES, Recording, RecordingRefused
from autograder.proof.replay import Counter, Replay
from autograder.proof.weighing import Weighed
from autograder.sandbox import wire
from autograder.sandbox.worker import read_frame, write_frame

DOORS = ("load", "give", "run", "turns", "network", "weighed", "gradients", "flush", "roofline", "library")


class Replayer:
    """The recordings that were loaded, and what can be done with them."""

    def __init__(self) -> None:
        self.loaded: dict[str, Replay] = {}
        self.networks: dict[str, Weighed] = {}
        self.given: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])

    def load(self, asked: dict[str, Any]) -> Any:
        """Read a recording; the names among its operations, and lines that constants were first used in."""
        recording = Recording.read(asked["recording"])
        self.loaded[asked["name"]] = Replay(recording, torch.device(asked.get("device", "cpu")))
        sizes = [[recording.lines[slot], tensor.numel()] for slot, tensor in recording.constants.items()]
        names = sorted({step.name for step in recording.operations})
        return {"operations": names, "constants": sizes[:1000]}

    def give(self, asked: dict[str, Any]) -> None:
        """Inputs and cotangents of the runs to come."""
        where = torch.device(asked.get("device", "cpu"))
        self.given = tuple([item.to(where) for item in asked[key]] for key in ("inputs", "cotangents"))  # type: ignore[assignment]

    def run(self, asked: dict[str, Any]) -> Any:
        """The results on the given inputs, and the figures."""
        counter = Counter()
        value = self.loaded[asked["name"]].run(*self.given, counter)
        return {"value": value, "figures": counter.figures}

    def turns(self, asked: dict[str, Any]) -> Any:
        """Seconds of each of a list of runs, by the names in their order."""
        return [[name, self._timed(self.loaded[name])] for name in asked["order"]]

    def _timed(self, replay: Replay) -> float:
        return device.timed(replay.device, lambda: replay.run(*self.given, None))

    def network(self, asked: dict[str, Any]) -> Any:
        """Read the recording of a network; its structure, and how many numbers it learns by its own account."""
        recording = Recording.read(asked["recording"])
        try:
            held = [(str(role), [int(size) for size in shape], str(kind)) for role, shape, kind in asked["held"]]
            if any(kind not in DTYPES for _, _, kind in held):
                raise ValueError("no dtype")
        except (TypeError, ValueError) as error:
            raise RecordingRefused("is not written down in order (what the network holds)") from error
        self.networks[asked["name"]] = Weighed(recording, held)
        learnt = sum(math.prod(shape) for role, shape, _ in held if role == "parameter")
        return {"structure": structure.read(recording, held, asked["shape"]).to_plain(), "held": learnt}

    def weighed(self, asked: dict[str, Any]) -> Any:
        """What a network makes of images, with random weights."""
        with torch.no_grad():
            return self.networks[asked["name"]].forward(asked["images"], asked["seed"], usual=False)

    def gradients(self, asked: dict[str, Any]) -> Any:
        """Outputs of a network, and norms of its parameters' gradients."""
        given = (asked[key] for key in ("images", "cotangent", "seed", "shapes"))
        return list(self.networks[asked["name"]].gradients(*given))

    def flush(self, asked: dict[str, Any]) -> float:
        """Before a turn on a device."""
        return device.flush(torch.device(asked["device"]))

    def roofline(self, asked: dict[str, Any]) -> Any:
        """What a device can do."""
        return device.roofline(torch.device(asked["device"]))

    def library(self, asked: dict[str, Any]) -> float:
        """Best seconds of a function of the assignment's helpers."""
        return device.library(asked["source"], asked["function"], asked["args"], torch.device(asked["device"]))


def serve(reading: int, writing: int, reply_bytes: int) -> None:
    """Answer one request after another, until the grader hangs up."""
    device.exact()
    replayer = Replayer()
    doors: dict[str, Callable[[dict[str, Any]], Any]] = {name: getattr(replayer, name) for name in DOORS}
    while (asked := read_frame(reading)) is not None:
        try:
            parts = wire.encode({"value": doors[asked["do"]](asked)}, reply_bytes)
        except RecordingRefused as refused:
            parts = wire.encode({"error": {"type": "RecordingRefused", "message": str(refused)}})
        except MemoryError:
            parts = wire.encode({"error": {"type": "RecordingRefused", "message": "needs more memory than there is"}})
        except Exception as error:
            parts = wire.encode({"error": {"type": type(error).__name__, "message": str(error)[:300]}})
        write_frame(writing, parts)
