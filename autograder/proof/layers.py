"""The layers of a network, as plain data: what a recording was read to do (`proof.structure`)."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Layer:
    """A node of the graph.

    Attributes:
        kind: "convolution", "linear", "relu", "max pool", "average pool", "normalisation", "sum", "function",
            "softmax", "images", or the name of another operation.
        settings: what it is told, by name.
        before: hashes of the layers that its input comes from.
        shape: of its output, without the number of images.
        name: the hash of all of that.
    """

    kind: str
    settings: tuple[tuple[str, Any], ...]
    before: tuple[str, ...]
    shape: tuple[int, ...]
    name: str = ""

    def setting(self, name: str) -> Any:
        """What it is told under this name, None where nothing is."""
        return dict(self.settings).get(name)

    @property
    def work(self) -> int:
        """Multiply-adds for one image, of a convolution or a linear layer."""
        if self.kind == "linear":
            return int(self.setting("inputs") * self.setting("outputs"))
        if self.kind != "convolution":
            return 0
        inputs = self.setting("inputs") // self.setting("groups")
        return int(inputs * math.prod(self.setting("kernel")) * math.prod(self.shape))


@dataclass(frozen=True)
class Structure:
    """What a network is made of.

    Attributes:
        layers: those that the output depends on, in the order of the flow.
        output: shape of what comes out.
        parameters: how many numbers take part in it that the network learns.
        work: multiply-adds of convolutions and linear layers, for one image.
        widths: of the maps that convolutions give, from the widest.
    """

    layers: tuple[Layer, ...]
    output: tuple[int, ...]
    parameters: int
    work: int
    widths: tuple[int, ...]

    def summary(self) -> dict[str, Any]:
        """What tells two structures apart, as plain values."""
        return {"function": self.layers[-1].name, "parameters": self.parameters, "output": list(self.output)}

    def to_plain(self) -> dict[str, Any]:
        """As plain values."""
        layers = [
            [x.kind, [list(pair) for pair in x.settings], list(x.before), list(x.shape), x.name] for x in self.layers
        ]
        rest = {"parameters": self.parameters, "work": self.work, "widths": list(self.widths)}
        return {"layers": layers, "output": list(self.output), **rest}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Structure":
        """The inverse of `to_plain`."""
        layers = tuple(
            Layer(kind, tuple((key, _frozen(item)) for key, item in settings), tuple(before), tuple(shape), name)
            for kind, settings, before, shape, name in plain["layers"]
        )
        output, widths = tuple(plain["output"]), tuple(plain["widths"])
        return cls(layers, output, plain["parameters"], plain["work"], widths)


def _frozen(item: Any) -> Any:
    return tuple(map(_frozen, item)) if isinstance(item, list) else item
