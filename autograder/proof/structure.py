"""What a recorded network is made of: a graph of layers in which every right way of writing the network is the same.

The recording is followed on tensors without numbers. Each tensor is known by the layer that made it: its kind, its
settings, and the layers before it, so that equal outputs mean equal functions of equal parameters. What changes no
value leaves no trace: views, copies, pooling that keeps the shape. A function of single numbers is known by what it
makes of a few (`PROBE`), so it does not matter how a ReLU is written. A ReLU and maximum pooling commute and come in
one order, zeros around the images are the convolution's padding, a convolution as large as its map is a linear layer.
"""

import hashlib
import math
from dataclasses import dataclass, field
from typing import Any

import torch

from autograder.proof.kinds import (
    MAKERS,
    MAKING,
    NORMS,
    PROBE,
    SKIPPED,
    Known,
    bare,
    is_pointwise,
    nowhere,
    pair,
    probed,
    settings,
    short,
    tensors_in,
)
from autograder.proof.layers import Layer, Structure
from autograder.proof.recording import Read, Recording, RecordingRefused, Slot, Step
from autograder.sandbox.recorder import shaped


@dataclass
class Reader:
    """Follows a recording.

    Args:
        recording: of a network's forward; its inputs are what it holds, then images.
        held: role, shape and dtype of each of what it holds.
    """

    recording: Recording
    held: list[Any]
    layers: dict[str, Layer] = field(default_factory=dict)
    used: dict[str, set[int]] = field(default_factory=dict)

    def read(self, images: list[int]) -> Structure:
        """The structure.

        Args:
            images: shape of what the network is shown.

        Raises:
            RecordingRefused: the recording cannot be followed.
        """
        self.known = self._begin(images)
        self.memories = len(self.known)
        for step in self.recording.steps:
            self._follow(step)
        if not isinstance(self.recording.results, Slot):
            raise RecordingRefused("gives something that is no tensor")
        out = self._at(self.recording.results)
        last = self._settled(out, flat=True)
        order = self._order(last)
        parts = set[int]().union(*(self.used.get(layer.name, set()) for layer in order))
        return Structure(
            tuple(order),
            tuple(out.tensor.shape),
            sum(math.prod(self.held[index][1]) for index in parts if self.held[index][0] == "parameter"),
            sum(layer.work for layer in order),
            tuple(sorted({layer.shape[-1] for layer in order if layer.kind == "convolution"}, reverse=True)),
        )

    def _begin(self, images: list[int]) -> dict[int, Known]:
        if len(self.recording.inputs) != len(self.held) + 1:
            raise RecordingRefused("has another number of inputs than the network holds")
        known = {}
        for index, (slot, (_, shape, dtype)) in enumerate(zip(self.recording.inputs, self.held, strict=False)):
            made = torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
            known[slot] = Known(made, parameter=index, memory=index)
        shown = torch.empty(images, device="meta")
        first = self._layer("images", {}, (), tuple(images[1:]))
        known[self.recording.inputs[-1]] = Known(shown, first, memory=len(known))
        for slot, constant in self.recording.constants.items():
            alike = constant.numel() > 0 and bool((constant == constant.flatten()[0]).all())
            number = float(constant.flatten()[0]) if alike and not constant.is_complex() else None
            known[slot] = Known(constant.to("meta"), self._opaque("numbers", (), constant), number=number)
            known[slot].memory = len(known)
        return known

    def _order(self, last: str) -> list[Layer]:
        """All layers before one and itself, along the flow; the longer of two branches first."""
        depth: dict[str, int] = {}
        for name, layer in self.layers.items():  # made in order
            depth[name] = 1 + max((depth[item] for item in layer.before), default=0)
        order: dict[str, Layer] = {}
        waiting = [(last, False)]
        while waiting:
            name, ready = waiting.pop()
            if ready:
                order.setdefault(name, self.layers[name])
            elif name not in order:
                waiting.append((name, True))
                before = sorted(self.layers[name].before, key=lambda item: (depth[item], item))
                waiting += [(item, False) for item in before]
        return list(order.values())

    # One operation -----------------------------------------------------------------------------------------------

    def _follow(self, step: Step) -> None:
        values = [self._filled(item) for item in step.args]
        named = {key: self._filled(item) for key, item in step.kwargs.items()}
        try:
            given, more = bare(values), {key: nowhere(bare(item)) for key, item in named.items()}
            shape = shaped(step.name, given)
            result = step.function(*given, **more) if shape is None else shape
        except Exception as error:
            told = str(error).partition("\n")[0][:200]
            raise RecordingRefused(f"fails in {step.name.removeprefix('aten::')}: {told}") from error
        results = result if isinstance(result, tuple | list) else (result,)
        base = step.name.removeprefix("aten::").partition(".")[0]
        plain = base if base.startswith("__") else base.removesuffix("_")
        for position, (out, item) in enumerate(zip(step.outs, results, strict=False)):
            if isinstance(out, Slot) and isinstance(item, torch.Tensor):
                made = self._made(plain, values, named, item, position)
                if base != plain and plain != base.rstrip("_") + "_" and out.number in self.known:
                    self._overwrite(out.number)
                self.known[out.number] = made

    def _overwrite(self, slot: int) -> None:
        """Other views of what is written into are not known any more."""
        memory = self.known[slot].memory
        for other, known in self.known.items():
            if known.memory == memory and other != slot and known.parameter is None:
                self.known[other] = Known(known.tensor, self._opaque("overwritten", (), known.tensor), memory=memory)

    def _made(self, name: str, values: list[Any], named: dict[str, Any], out: torch.Tensor, position: int) -> Known:
        first = values[0] if values and isinstance(values[0], Known) else None
        self.memories += 1
        if name in SKIPPED and first is not None:
            return Known(out, first.layer, first.probe, first.parameter, first.number, first.memory)
        if name in ("t", "transpose", "permute", "expand") and first is not None and first.parameter is not None:
            return Known(out, parameter=first.parameter, memory=first.memory)
        if name == "select" and first is not None and first.tensor.shape[values[1]] == 1 and first.layer:
            return Known(out, first.layer, first.probe, None, first.number, first.memory)
        if name == "expand" and first is not None and (first.number is not None or out.shape == first.tensor.shape):
            return Known(out, first.layer, first.probe, first.parameter, first.number, first.memory)
        number = self._number(name, values)
        if number is not None:
            return Known(out, self._opaque("numbers", (), out), number=number, memory=self.memories)
        if position == 0:
            maker = "_norm" if name in NORMS else MAKERS.get(name)
            found = getattr(self, maker)(values, named, out) if maker is not None else None
            found = found or self._pointwise(name, values, named, out)
            if found is not None:
                found.memory = self.memories
                return found
        inputs = tensors_in([values, list(named.values())])
        opaque = self._opaque(name, tuple(inputs), out, (settings([values, named]), position))
        return Known(out, opaque, memory=self.memories)

    def _number(self, name: str, values: list[Any]) -> float | None:
        if name in MAKING:
            return MAKING[name]
        if name in ("full", "full_like", "new_full", "scalar_tensor"):
            fill = values[0 if name == "scalar_tensor" else -1]
            return float(fill) if isinstance(fill, int | float) else None
        return None

    # Layers ------------------------------------------------------------------------------------------------------

    def _convolution(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known | None:
        x, w, b, stride, padding, dilation, transposed, _, groups = values
        if w.parameter is None or transposed or out.ndim != 4:
            return None
        source, padding = self._settled(x), list(padding)
        pad = self.layers[source]
        if pad.kind == "pad":
            padding = [padding[0] + pad.setting("rows"), padding[1] + pad.setting("columns")]
            source = pad.before[0]
        height, width = self.layers[source].shape[-2:] if len(self.layers[source].shape) == 3 else x.tensor.shape[-2:]
        kernel, whole = tuple(w.tensor.shape[2:]), tuple(w.tensor.shape)
        parts = {w.parameter} | ({b.parameter} if isinstance(b, Known) and b.parameter is not None else set())
        if kernel == (height, width) and not any(padding) and groups == 1 and tuple(out.shape[2:]) == (1, 1):
            settings = {"inputs": math.prod(whole[1:]), "outputs": whole[0], "bias": b is not None}
            return Known(out, self._layer("linear", settings, (source,), (whole[0],), parts))
        settings = {
            "kernel": kernel, "inputs": whole[1] * groups, "outputs": whole[0], "stride": pair(stride),
            "padding": pair(padding), "dilation": pair(dilation), "groups": groups, "bias": b is not None,
        }  # fmt: skip
        return Known(out, self._layer("convolution", settings, (source,), tuple(out.shape[1:]), parts))

    def _addmm(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known | None:
        b, x, w = values[:3]
        scaled = any(named.get(key, 1) != 1 for key in ("alpha", "beta"))
        if w.parameter is None or b.parameter is None or scaled or x.parameter is not None:
            return None
        return self._linear_layer(x, w, {w.parameter, b.parameter}, out, True)

    def _mm(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known | None:
        x, w = values[:2]
        if w.parameter is None or x.parameter is not None:
            return None
        return self._linear_layer(x, w, {w.parameter}, out, False)

    def _linear_layer(self, x: Known, w: Known, parts: set[int], out: torch.Tensor, bias: bool) -> Known:
        settings = {"inputs": int(w.tensor.shape[0]), "outputs": int(w.tensor.shape[1]), "bias": bias}
        return Known(out, self._layer("linear", settings, (self._settled(x, flat=True),), tuple(out.shape[1:]), parts))

    def _norm(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known | None:
        floats = [item for item in values if isinstance(item, float)]
        training = next((item for item in values if isinstance(item, bool)), False)
        if not isinstance(values[0], Known) or not floats:
            return None
        parts = {item.parameter for item in values[1:] if isinstance(item, Known) and item.parameter is not None}
        settings = {"channels": int(out.shape[1]), "eps": floats[-1], "training": training}
        layer = self._layer("normalisation", settings, (self._settled(values[0]),), tuple(out.shape[1:]), parts)
        return Known(out, layer)

    def _max_pool2d_with_indices(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known:
        x, kernel, stride, padding, dilation = (values + [[], 0, 1][len(values) - 2 :])[:5]
        settings = {"kernel": pair(kernel), "stride": pair(stride or kernel), "padding": pair(padding)}
        if pair(dilation) != (1, 1):
            settings["dilation"] = pair(dilation)
        return self._pooled("max pool", x, settings, out)

    def _avg_pool2d(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known:
        x, kernel, stride, padding = (values + [[], 0][len(values) - 2 :])[:4]
        settings = {"kernel": pair(kernel), "stride": pair(stride or kernel), "padding": pair(padding)}
        return self._pooled("average pool", x, settings, out)

    def _adaptive(self, kind: str, x: Known, out: torch.Tensor) -> Known | None:
        (h, w), (rows, columns) = x.tensor.shape[-2:], out.shape[-2:]
        if h % rows or w % columns:
            return None
        window = (h // rows, w // columns)
        return self._pooled(kind, x, {"kernel": window, "stride": window, "padding": (0, 0)}, out)

    def _adaptive_avg_pool2d(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known | None:
        return self._adaptive("average pool", values[0], out)

    def _adaptive_max_pool2d(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known | None:
        return self._adaptive("max pool", values[0], out)

    def _mean(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known | None:
        x, axes = values[0], values[1] if len(values) > 1 else None
        over = sorted(axis % x.tensor.ndim for axis in axes) if isinstance(axes, list) else []
        if x.tensor.ndim == 4 and over == [2, 3]:
            window = tuple(x.tensor.shape[2:])
            settings = {"kernel": window, "stride": window, "padding": (0, 0)}
            return self._pooled("average pool", x, settings, out, (x.tensor.shape[1], 1, 1))
        if x.tensor.ndim == 3 and over == [2] and len(self.layers[self._settled(x, free=True)].shape) == 3:
            window = self.layers[self._settled(x, free=True)].shape[1:]
            settings = {"kernel": window, "stride": window, "padding": (0, 0)}
            return self._pooled("average pool", x, settings, out, (x.tensor.shape[1], 1, 1), free=True)
        return None

    def _pooled(
        self,
        kind: str,
        x: Known,
        settings: dict[str, Any],
        out: torch.Tensor,
        shape: tuple[int, ...] | None = None,
        free: bool = False,
    ) -> Known:
        """Pooling; where it goes over everything, its stride says nothing."""
        source, shape = self._settled(x, free=free), shape or tuple(out.shape[1:])
        if settings["kernel"] == (1, 1) and settings["stride"] == (1, 1):
            return Known(out, source)
        if shape[-2:] == (1, 1):
            settings["stride"] = settings["kernel"]
        return Known(out, self._layer(kind, settings, (source,), shape))

    def _constant_pad_nd(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known | None:
        x, sides = values[0], list(values[1])
        left, right, top, bottom = [*sides, 0, 0, 0, 0][:4]
        if (values[2] if len(values) > 2 else 0) != 0 or left != right or top != bottom or any(sides[4:]):
            return None
        settings = {"rows": top, "columns": left}
        return Known(out, self._layer("pad", settings, (self._settled(x),), tuple(out.shape[1:])))

    def _add(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known | None:
        a, b = values[:2]
        if not isinstance(a, Known) or not isinstance(b, Known) or named.get("alpha", 1) != 1:
            return None
        a, b = (b, a) if a.parameter is not None else (a, b)
        if a.parameter is not None or a.number is not None or b.number is not None:
            return None
        if b.parameter is not None:
            return self._biased(a, b, out)
        names = (self._settled(a), self._settled(b))
        if a.tensor.shape != b.tensor.shape or a.layer == b.layer:
            return None
        return Known(out, self._layer("sum", {}, tuple(sorted(names)), tuple(out.shape[1:])))

    def _biased(self, a: Known, b: Known, out: torch.Tensor) -> Known | None:
        """A bias that is added afterwards belongs to its layer."""
        layer = self.layers[self._settled(a)]
        if layer.kind not in ("linear", "convolution") or layer.setting("bias"):
            return None
        if b.tensor.numel() != layer.setting("outputs"):
            return None
        parts = self.used[layer.name] | {int(b.parameter or 0)}
        settings = dict(layer.settings) | {"bias": True}
        return Known(out, self._layer(layer.kind, settings, layer.before, layer.shape, parts))

    def _softmax(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known:
        return Known(out, self._layer("softmax", {}, (self._settled(values[0], flat=True),), tuple(out.shape[1:])))

    def _log_softmax(self, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known:
        return Known(out, self._layer("log-softmax", {}, (self._settled(values[0], flat=True),), tuple(out.shape[1:])))

    # Functions of single numbers ---------------------------------------------------------------------------------

    def _pointwise(self, name: str, values: list[Any], named: dict[str, Any], out: torch.Tensor) -> Known | None:
        """A function of one layer's output, entry by entry: done to the probe."""
        function = getattr(torch.ops.aten, name, None)
        tensors = tensors_in([values, list(named.values())])
        sources = {item.layer for item in tensors if item.number is None}
        plain = all(item.parameter is None and (item.number is not None or item.layer) for item in tensors)
        if len(sources) != 1 or not plain or function is None or not is_pointwise(function, name):
            return None
        if any(item.number is None and item.tensor.numel() != out.numel() for item in tensors):
            return None
        try:
            probe = function(*probed(values), **{key: probed(item) for key, item in named.items()})
        except Exception:
            return None
        probe = probe[0] if isinstance(probe, tuple) else probe
        return Known(out, sources.pop(), probe) if probe.shape == PROBE.shape else None

    def _settled(self, known: Known, flat: bool = False, free: bool = False) -> str:
        """The layer whose output a tensor is, a function of single numbers being one of its own."""
        if known.parameter is not None:
            return self._layer("parameter", {"shape": tuple(known.tensor.shape)}, (), (), {known.parameter})
        layer = self.layers[known.layer]
        probe = None if known.probe is None or torch.equal(known.probe.double(), PROBE) else known.probe.double()
        if probe is not None:
            values = tuple(round(float(item), 6) for item in probe)
            bent = self._layer("function", {"values": values}, (layer.name,), layer.shape)
            layer = self.layers[self._relu(layer) if torch.equal(probe, PROBE.clamp(min=0)) else bent]
        shape = tuple(known.tensor.shape[1:])
        same = short(shape) == short(layer.shape) or (flat and shape == (math.prod(layer.shape),)) or free
        return layer.name if same else self._layer("reshape", {"shape": shape}, (layer.name,), shape)

    def _relu(self, layer: Layer) -> str:
        """A ReLU behind a layer; of maximum pooling, before it."""
        if layer.kind == "relu":
            return layer.name
        if layer.kind == "max pool":
            before = self._relu(self.layers[layer.before[0]])
            return self._layer("max pool", dict(layer.settings), (before,), layer.shape)
        return self._layer("relu", {}, (layer.name,), layer.shape)

    # The graph ---------------------------------------------------------------------------------------------------

    def _layer(
        self,
        kind: str,
        settings: dict[str, Any],
        before: tuple[str, ...],
        shape: tuple[int, ...],
        parts: set[int] | None = None,
    ) -> str:
        listed = tuple(sorted(settings.items()))
        told = repr((kind, listed, before, shape))
        name = hashlib.sha256(told.encode()).hexdigest()[:24]
        self.layers.setdefault(name, Layer(kind, listed, before, tuple(shape), name))
        self.used.setdefault(name, set()).update(parts or set())
        return name

    def _opaque(self, kind: str, inputs: tuple[Known, ...], out: torch.Tensor, told: Any = "") -> str:
        before = tuple(self._settled(item, free=True) for item in inputs)
        return self._layer(kind, {"told": repr(told)[:400]}, before, tuple(out.shape[1:]))

    def _at(self, slot: Slot) -> Known:
        try:
            return self.known[slot.number]
        except KeyError:
            raise RecordingRefused("uses a tensor that was not made") from None

    def _filled(self, item: Any) -> Any:
        if isinstance(item, Slot):
            return self._at(item)
        if isinstance(item, Read):
            raise RecordingRefused("reads numbers, which a network's structure does not depend on")
        if isinstance(item, list | tuple):
            return type(item)(map(self._filled, item))
        return item


def read(recording: Recording, held: list[Any], images: list[int]) -> Structure:
    """The structure of a recorded network; see `Reader`."""
    return Reader(recording, held).read(images)
