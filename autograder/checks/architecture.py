"""How one network differs from another, in a sentence: the first place along the flow, never the whole."""

from collections import Counter
from collections.abc import Iterator

from autograder.proof.layers import Layer, Structure

WEIGHTS = ("convolution", "linear")
POOLS = ("max pool", "average pool")
NAMES = {
    "linear": "fully connected layer",
    "relu": "ReLU",
    "max pool": "maximum pooling",
    "average pool": "average pooling",
    "normalisation": "batch normalisation",
    "sum": "addition",
    "function": "function other than ReLU",
    "pad": "padding that is not part of a convolution",
}
SETTINGS = {
    "inputs": "inputs", "outputs": "outputs", "kernel": "a kernel of", "stride": "stride", "padding": "padding",
    "dilation": "dilation", "groups": "groups", "channels": "channels", "eps": "eps", "training": "training mode",
}  # fmt: skip


def difference(got: Structure, right: Structure) -> str | None:
    """The first layer along the flow that is not as it should be; None where the two are the same."""
    if got.layers[-1].name == right.layers[-1].name:
        return None
    seen: Counter[str] = Counter()
    last = "the images"
    for index, layer in enumerate(got.layers):
        if index >= len(right.layers):
            return f"after {last} there is {_a(layer)}, where the network should end"
        expected = right.layers[index]
        if layer.kind == expected.kind or {layer.kind, expected.kind} <= {*POOLS}:
            kind = "pooling" if layer.kind in POOLS else layer.kind
            seen[kind] += 1
            if told := _settings(layer, expected, f"the {ordinal(seen[kind])} {_name(kind)}"):
                return told
            last = f"the {ordinal(seen[kind])} {_name(kind)}" if layer.kind in (*WEIGHTS, "sum") else last
            continue
        return _otherwise(layer, expected, last, right.layers[index:], got.layers[index:])
    if len(got.layers) < len(right.layers):
        return f"after {last} there is no {_name(right.layers[len(got.layers)].kind)}"
    return "the layers are the right ones, but they are connected in another way"


def _otherwise(layer: Layer, expected: Layer, last: str, rest: tuple[Layer, ...], mine: tuple[Layer, ...]) -> str:
    """One layer where there should be another."""
    if layer.kind == "reshape":
        return f"after {last} entries change places, or maps their size, before the next layer"
    if expected.kind == "relu":
        if layer.kind == "function":
            return f"after {last} there is another non-linearity than a ReLU"
        return f"after {last} there is no ReLU"
    if len(mine) > 1 and mine[1].kind == expected.kind:
        return f"after {last} there is {_a(layer)} too many"
    if len(rest) > 1 and rest[1].kind == layer.kind:
        return f"after {last} there is no {_name(expected.kind)}"
    return f"after {last} comes {_a(layer)}, not {_a(expected)}"


def _settings(layer: Layer, expected: Layer, named: str) -> str | None:
    if layer.kind != expected.kind:
        takes = {"max pool": "maxima", "average pool": "means"}
        return f"{named} takes {takes[layer.kind]}, not {takes[expected.kind]}"
    for key, word in SETTINGS.items():
        mine, theirs = layer.setting(key), expected.setting(key)
        if mine == theirs:
            continue
        if key == "kernel" and layer.kind in POOLS:
            return f"the window of {named} is {_size(mine)}, not {_size(theirs)}"
        if key == "training":
            return f"{named} uses {'the batch' if mine else 'running'} statistics in the wrong mode"
        if key in ("inputs", "outputs", "channels", "groups"):
            return f"{named} has {_size(mine)} {word}, not {_size(theirs)}"
        return f"{named} has {word} {_size(mine)}, not {_size(theirs)}"
    if layer.setting("bias") != expected.setting("bias"):
        return f"{named} has {'a bias, and should have none' if layer.setting('bias') else 'no bias'}"
    return None


def free_lenet(got: Structure, right: Structure) -> str | None:
    """What a LeNet lacks whose non-linearities, and the kind of whose pooling, are free; None where nothing.

    Its convolutions and linear layers are the reference's, there is a non-linearity between any two of them, one 2x2
    window after each convolution, and nothing after the last layer.
    """
    mine, theirs = (list(_anchors(item)) for item in (got, right))
    seen: Counter[str] = Counter()
    last = "the images"
    for index, (layer, bent, pools) in enumerate(mine):
        if index >= len(theirs):
            return f"after {last} there is {_a(layer)} too many"
        expected, _, windows = theirs[index]
        if layer.kind != expected.kind:
            return f"after {last} comes {_a(layer)}, not {_a(expected)}"
        seen[layer.kind] += 1
        named = f"the {ordinal(seen[layer.kind])} {_name(layer.kind)}"
        if told := _settings(layer, expected, named):
            return told
        if len(pools) != len(windows):
            return f"between {last} and {named} there are {len(pools)} poolings, not {len(windows)}"
        if any(pool.settings != window.settings for pool, window in zip(pools, windows, strict=True)):
            return f"the pooling before {named} has another window or stride than 2x2"
        if index and not bent:
            return f"between {last} and {named} there is no non-linearity"
        last = named
    if len(mine) < len(theirs):
        return f"after {last} there is no {_name(theirs[len(mine)][0].kind)}"
    return None if got.layers[-1].kind == "linear" else f"after the last layer comes {_a(got.layers[-1])}"


def _anchors(structure: Structure) -> Iterator[tuple[Layer, bool, list[Layer]]]:
    """Layers with weights, each with whether something not linear comes before it, and the poolings before it."""
    bent, pools = False, list[Layer]()
    for layer in structure.layers:
        if layer.kind in WEIGHTS:
            yield layer, bent, pools
            bent, pools = False, []
        elif layer.kind in POOLS:
            pools.append(layer)
            bent = bent or layer.kind == "max pool"
        elif layer.kind in ("relu", "function"):
            bent = True


def ordinal(count: int) -> str:
    """1st, 2nd, 3rd, 4th, …, 11th, …"""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th") if count % 100 not in (11, 12, 13) else "th"
    return f"{count}{ending}"


def _name(kind: str) -> str:
    return NAMES.get(kind, kind.replace("_", " "))


def _a(layer: Layer) -> str:
    name = _name(layer.kind)
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _size(value: object) -> str:
    if isinstance(value, tuple | list):
        return str(value[0]) if len(set(value)) == 1 else "x".join(map(str, value))
    return str(value)
