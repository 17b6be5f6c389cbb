"""Networks that a submission builds, judged by what they were recorded to do: never by what is said of them."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from autograder.checks.door import Door
from autograder.checks.draw import Draw
from autograder.checks.failure import CheckFailed
from autograder.errors import GraderError
from autograder.proof.layers import Structure
from autograder.proof.prover import Prover
from autograder.proof.recording import RecordingRefused
from autograder.proof.replayer import Replayer
from autograder.sandbox.request import Request

IN_TRAINING = {True: "in training", False: "in evaluation"}


@dataclass
class Network:
    """A recorded network.

    Attributes:
        call: as a student would write it.
        name: what it is loaded under.
        networks: where it came from.
        request: that it is the answer to.
        recorded: its recording and what it holds, by its own account.
        reference: the door that it came through, where it is the reference's, whom we believe.
    """

    call: str
    name: str
    networks: "Networks"
    request: Request
    recorded: dict[str, Any]
    reference: Door | None = None

    @cached_property
    def _read(self) -> dict[str, Any]:
        try:
            said: dict[str, Any] = self.networks.ask(self, "network")
        except CheckFailed as failed:
            if self.reference is not None:
                raise GraderError(f"the reference's network: {failed}") from failed
            raise
        return said

    @cached_property
    def structure(self) -> Structure:
        """What it is made of."""
        return Structure.from_plain(self._read["structure"])

    @cached_property
    def held(self) -> int:
        """How many numbers it learns by its own account, whether they take part or not."""
        if self.reference is not None:
            return sum(math.prod(shape) for role, shape, _ in self.recorded["held"] if role == "parameter")
        return int(self._read["held"])

    def logits(self, images: torch.Tensor, seed: int) -> torch.Tensor:
        """What it makes of images with weights that are drawn from the seed, see `proof.weighing`; they must have the
        recorded shape."""
        out: torch.Tensor = self.networks.ask(self, "weighed", images=images, seed=seed)
        return out

    def gradients(
        self, images: torch.Tensor, cotangent: torch.Tensor, seed: int, shapes: list[list[int]] | None = None
    ) -> tuple[torch.Tensor, list[float]]:
        """Outputs and norms of the parameters' gradients, with usual initial weights."""
        asked = {"images": images, "cotangent": cotangent, "seed": seed, "shapes": shapes}
        out, norms = self.networks.ask(self, "gradients", **asked)
        return out, norms


@dataclass
class Networks:
    """`networks("build_cnn", "vgg16", images=(2, 3, 224, 224))`: the student's network, recorded; with
    `of=reference`, the reference's.

    Attributes:
        student: whose networks these are.
        weights: seeds of weights are drawn from, which whoever makes a recording must not know.
        prover: where recordings are read and run; None on a student's own machine, where there is nobody to doubt.
    """

    student: Door
    weights: Draw
    prover: Prover | None = None

    def __post_init__(self) -> None:
        self.count, self.loaded = 0, dict[str, Any]()
        self.here = Replayer()

    def __call__(
        self,
        builder: str,
        *args: Any,
        images: tuple[int, ...],
        training: bool = False,
        within: str | None = None,
        of: Door | None = None,
    ) -> Network:
        """Build, record, and read what was recorded.

        Args:
            builder: a function of the submission that returns a module.
            *args: for it.
            images: shape of what the module is called with.
            training: its mode.
            within: a helper, a context manager, in which that happens.
            of: whose, the student's where it is None.

        Raises:
            CheckFailed: nothing is built, or nothing that can be followed.
        """
        door = of or self.student
        options = {"images": list(images), "training": training, "within": within}
        request = door.request("network", builder, args, {}, **options)
        call = f"{door.describe(request)}, {IN_TRAINING[training]} on images of shape {list(images)}"
        value = door.value_of(request)
        self.count += 1
        recorded = _plain(value) | {"shape": list(images)}
        network = Network(call, f"network {self.count}", self, request, recorded, of)
        if of is None:
            request, answer = door.log[-1]
            door.log[-1] = (request, replace(answer, value=network.structure.summary()))
        return network

    def ask(self, network: Network, door: str, **what: Any) -> Any:
        """Have the replayer do something with a network.

        Raises:
            CheckFailed: what was recorded cannot be done again.
        """
        if network.reference is None:
            return self._asked(network, door, what)
        about = replace(network.request, options=network.request.options | {"asked": what})
        return network.reference.once(about, door, lambda: self._asked(network, door, what))

    def _asked(self, network: Network, door: str, what: dict[str, Any]) -> Any:
        try:
            if network.name not in self.loaded:
                self.loaded[network.name] = self._done("network", {"name": network.name, **network.recorded})
            return self.loaded[network.name] if door == "network" else self._done(door, {"name": network.name, **what})
        except RecordingRefused as refused:
            told = f"What your network was seen to do {refused}."
            raise CheckFailed(told, rung="unproven", call=network.call) from refused

    def _done(self, door: str, what: dict[str, Any]) -> Any:
        return self.prover.ask(door, **what) if self.prover is not None else getattr(self.here, door)(what)

    def fail(self, network: Network, message: str) -> None:
        """End the check with a message about a network."""
        raise CheckFailed(message, rung="structure", call=network.call)

    def seed(self) -> int:
        """Of weights: nobody knows it who makes a recording."""
        return self.weights.seed()


def _plain(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {"recording": None, "held": []}
    return {"recording": value.get("recording"), "held": value.get("held")}
