"""What crosses between grader and worker: plain values arrive as they left, and a damaged frame ends in WireError."""

import enum
import json
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autograder.sandbox import wire
from autograder.sandbox.wire import Foreign, Seeded, WireError, copied, decode, encode, read_prefix

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.builds(Seeded, st.sampled_from(["numpy", "torch"]), st.integers(0, 2**63 - 1)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers(), st.booleans()), inner, max_size=4)
    ),
    max_leaves=12,
)
CODES = sorted(wire.DTYPES)
SHAPES = [(), (1,), (0,), (3,), (2, 0, 3), (2, 3, 4)]


def same(got: Any, sent: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(got) is not type(sent):
        return False
    if isinstance(sent, list | tuple):
        return len(got) == len(sent) and all(map(same, got, sent))
    if isinstance(sent, dict):
        return same(list(got.items()), list(sent.items()))
    return bool(got == sent) and (not isinstance(sent, float) or math.copysign(1, got) == math.copysign(1, sent))


def frame(value: Any) -> tuple[bytes, bytes]:
    """Header and payload of a value."""
    _, header, *payload = encode(value)
    return bytes(header), b"".join(payload)


def array_header(shape: Any, code: Any = "<f8", tag: str = "array") -> bytes:
    return json.dumps({"$": tag, "d": code, "s": shape}).encode()


# Round trips ------------------------------------------------------------------------------------------------------


@given(PLAIN)
def test_a_plain_value_arrives_as_it_left(value: Any) -> None:
    assert same(copied(value), value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_arrive_too(number: float) -> None:
    np.testing.assert_equal(copied(number), number)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("code", CODES)
def test_arrays_keep_dtype_shape_and_entries(code: str, shape: tuple[int, ...]) -> None:
    sent = np.random.default_rng(1).integers(0, 2, shape).astype(code)
    got = copied([sent])[0]
    assert type(got) is np.ndarray
    assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
    np.testing.assert_array_equal(got, sent)


@pytest.mark.parametrize("code", CODES)
def test_tensors_keep_dtype_shape_and_entries(code: str) -> None:
    sent = torch.from_numpy(np.random.default_rng(1).integers(0, 2, (2, 3)).astype(code))
    got = copied(sent)
    assert type(got) is torch.Tensor
    assert got.dtype is sent.dtype
    assert torch.equal(got.to(torch.complex128), sent.to(torch.complex128))


def test_several_arrays_of_one_value_do_not_mix() -> None:
    sent = {"a": np.arange(3.0), "b": [torch.arange(4), (np.float32(7), np.array(True))]}
    got = copied(sent)
    np.testing.assert_array_equal(got["a"], sent["a"])
    tensor, (scalar, flag) = got["b"]
    assert torch.equal(tensor, torch.arange(4))
    assert (scalar, type(scalar)) == (7, np.float32)
    assert (flag.item(), type(flag)) == (True, np.ndarray)


STRIDES = {
    "transposed": lambda x: x.T,
    "a slice": lambda x: x[::2, 1:],
    "reversed": lambda x: x[::-1],
    "in Fortran's order": np.asfortranarray,
    "broadcast": lambda x: np.broadcast_to(x[0], (3, 6)),
    "big-endian": lambda x: x.astype(">f8"),
    "read-only": lambda x: np.frombuffer(x.tobytes()),
}


@pytest.mark.parametrize("stride", STRIDES.values(), ids=STRIDES.keys())
def test_an_array_arrives_whatever_its_strides(stride: Any) -> None:
    sent = stride(np.random.default_rng(1).standard_normal((4, 6)))
    got = copied(sent)
    np.testing.assert_array_equal(got, sent)
    assert got.dtype == np.float64
    assert got.flags.writeable


TENSORS = {
    "transposed": lambda x: x.T,
    "expanded": lambda x: x[:1].expand(3, -1),
    "with a graph": lambda x: x.clone().requires_grad_() * 2,
    "sparse": lambda x: x.to_sparse(),
    "negated lazily": lambda x: torch.complex(x, x).conj().imag,
    "bfloat16": lambda x: x.bfloat16(),
    "a parameter": torch.nn.Parameter,
}


@pytest.mark.parametrize("made", TENSORS.values(), ids=TENSORS.keys())
def test_a_tensor_arrives_whatever_its_layout(made: Any) -> None:
    sent = made(torch.from_numpy(np.random.default_rng(1).standard_normal((4, 6))))
    got = copied(sent)
    assert type(got) is torch.Tensor
    assert not got.requires_grad
    assert torch.equal(got, sent.detach().to_dense().to(got.dtype) if sent.is_sparse else sent.detach().to(got.dtype))


SPARSE = {
    "COO": lambda x: x.to_sparse(),
    "COO with duplicates": lambda x: torch.sparse_coo_tensor([[0, 0, 2], [1, 1, 3]], [1.0, 2.0, 3.0], (4, 6)),
    "CSR": lambda x: x.to_sparse_csr(),
    "in a list": lambda x: [x.to_sparse(), {"a": (x,)}],
    "bfloat16": lambda x: x.bfloat16(),
}


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize("made", SPARSE.values(), ids=SPARSE.keys())
def test_what_is_trusted_sends_tensors_as_what_they_are(made: Any) -> None:
    sent = made(torch.from_numpy(np.random.default_rng(2).standard_normal((4, 6))).relu())
    got = copied(sent, sparse=True)
    mine, theirs = (list(wire.arrays_in(value)) for value in (got, sent))
    assert [(item.layout, item.dtype, item.shape) for item in mine] == [
        (item.layout, item.dtype, item.shape) for item in theirs
    ]
    assert all(torch.equal(one.to_dense(), other.to_dense()) for one, other in zip(mine, theirs, strict=True))


def test_what_is_not_trusted_cannot_send_a_sparse_tensor() -> None:
    _, header, *payload = encode(torch.eye(3).to_sparse(), sparse=True)
    with pytest.raises(WireError, match="unknown kind of value"):
        decode(bytes(header), b"".join(payload))
    assert copied(torch.eye(3).to_sparse()).layout is torch.strided


def test_what_arrives_shares_no_memory_with_what_was_sent() -> None:
    array, tensor = np.zeros(3), torch.zeros(3)
    got = copied([array, tensor])
    got[0][:] = 1
    got[1][:] = 1
    assert not array.any()
    assert not tensor.any()


class Liar(np.ndarray):
    """Claims to equal everything."""

    def __eq__(self, other: object) -> Any:
        return True

    __hash__ = None  # type: ignore[assignment]


class LyingTensor(torch.Tensor):
    """As Liar."""


class Text(str):
    """A subclass of a plain kind."""


class Number(enum.IntEnum):
    """Another."""

    SEVEN = 7


@pytest.mark.parametrize(
    "sent, kind",
    [
        pytest.param(np.arange(3.0).view(Liar), np.ndarray, id="array"),
        pytest.param(np.ma.masked_array([1.0, 2.0], [True, False]), np.ndarray, id="masked array"),
        pytest.param(torch.arange(3).as_subclass(LyingTensor), torch.Tensor, id="tensor"),
        pytest.param(Text("x"), str, id="text"),
        pytest.param(np.array(["x"])[0], str, id="text of numpy"),
        pytest.param(Number.SEVEN, int, id="enumeration"),
        pytest.param(type("D", (dict,), {})(a=1), dict, id="dict"),
        pytest.param(type("L", (list,), {})([1]), list, id="list"),
    ],
)
def test_a_subclass_is_stripped(sent: Any, kind: type) -> None:
    assert type(copied(sent)) is kind


@pytest.mark.parametrize(
    "sent, name",
    [
        pytest.param(object(), "object", id="object"),
        pytest.param({1, 2}, "set", id="set"),
        pytest.param(print, "builtin_function_or_method", id="function"),
        pytest.param(np.array([None]), "array of dtype object", id="array of objects"),
        pytest.param(np.array(["a"]), "array of dtype <U1", id="array of text"),
        pytest.param(10**500, "int of more than 400 digits", id="huge int"),
    ],
)
def test_what_is_not_plain_arrives_as_its_name(sent: Any, name: str) -> None:
    assert copied(sent) == Foreign(name)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_a_generator_is_made_where_it_is_used_from_its_seed(kind: str) -> None:
    def first(seeded: Seeded) -> float:
        made = seeded.make()
        return made.random() if isinstance(made, np.random.Generator) else torch.rand(1, generator=made).item()

    assert first(copied(Seeded(kind, 5))) == first(Seeded(kind, 5)) != first(Seeded(kind, 6))


# Sizes ------------------------------------------------------------------------------------------------------------


def test_more_than_a_frame_may_hold_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_PAYLOAD", 80)
    encode([np.zeros(5), np.zeros(5)])
    with pytest.raises(WireError, match="too large to send"):
        encode([np.zeros(5), np.zeros(6)])


def test_nesting_is_capped_when_sent() -> None:
    value: Any = 0
    for _ in range(wire.MAX_DEPTH + 1):
        value = [value]
    with pytest.raises(WireError, match="levels deep"):
        encode(value)


def test_long_text_is_cut() -> None:
    assert len(copied("x" * (wire.MAX_TEXT + 5))) == wire.MAX_TEXT


@pytest.mark.parametrize(
    "prefix, told",
    [
        pytest.param(wire.PREFIX.pack(b"DGw2", 1, 1), "not a frame", id="another magic"),
        pytest.param(wire.PREFIX.pack(wire.MAGIC, wire.MAX_HEADER + 1, 0), "over the limit", id="header"),
        pytest.param(wire.PREFIX.pack(wire.MAGIC, 2, wire.MAX_PAYLOAD + 1), "over the limit", id="payload"),
        pytest.param(wire.PREFIX.pack(wire.MAGIC, 2, 2**64 - 1), "over the limit", id="payload of 2**64"),
    ],
)
def test_a_length_over_its_cap_is_refused_before_anything_is_read(prefix: bytes, told: str) -> None:
    with pytest.raises(WireError, match=told):
        read_prefix(prefix)


def test_lengths_within_their_caps_are_read() -> None:
    assert read_prefix(wire.PREFIX.pack(wire.MAGIC, 7, 9)) == (7, 9)


# Damage -----------------------------------------------------------------------------------------------------------

BROKEN = {
    "a zero that hides a size": (array_header([0, 2**62]), b"", "impossible shape"),
    "a zero that hides a product": (array_header([0, 2**29, 2**29, 2**29]), b"", "impossible shape"),
    "sizes whose product overflows": (array_header([2**32, 2**32]), b"", "impossible shape"),
    "more than the payload": (array_header([3]), b"x" * 16, "longer than the payload"),
    "less than the payload": (array_header([1]), b"x" * 16, "payload is longer"),
    "a negative size": (array_header([-1]), b"", "unknown dtype or shape"),
    "a size that is true": (array_header([True]), b"x" * 8, "unknown dtype or shape"),
    "a size that is a fraction": (array_header([1.0]), b"x" * 8, "unknown dtype or shape"),
    "too many axes": (array_header([1] * 33), b"x" * 8, "unknown dtype or shape"),
    "a shape that is none": (array_header("3"), b"", "unknown dtype or shape"),
    "objects": (array_header([1], "|O"), b"x" * 8, "unknown dtype or shape"),
    "a dtype that is a list": (array_header([1], ["<f8"]), b"x" * 8, "unknown dtype or shape"),
    "not JSON": (b"{", b"", "not JSON"),
    "not text": (b"\xff\xfe\x00", b"", "not JSON"),
    "brackets without end": (b"[" * 100_000, b"", "not JSON"),
    "a pickle": (b"cos\nsystem\n(S'true'\ntR.", b"", "not JSON"),
    "too deep": (b"[" * 30 + b"]" * 30, b"", "too many parts"),
    "too many": (b"[" + b"0," * wire.MAX_NODES + b"0]", b"", "too many parts"),
    "an unknown tag": (b'{"$": "pickle", "v": "x"}', b"", "unknown kind"),
    "a tag that is a list": (b'{"$": ["array"]}', b"", "unknown kind"),
    "a dict without a tag": (b'{"a": 1}', b"", "unknown kind"),
    "a tuple of nothing": (b'{"$": "tuple", "v": 5}', b"", "unknown kind"),
    "a generator of another kind": (b'{"$": "rng", "k": "os", "v": 5}', b"", "unknown kind"),
    "a negative seed": (b'{"$": "rng", "k": "numpy", "v": -1}', b"", "unknown kind"),
    "pairs that are none": (b'{"$": "dict", "v": [[1]]}', b"", "not made of pairs"),
    "a key that is a list": (b'{"$": "dict", "v": [[[], 1]]}', b"", "cannot be one"),
}


@pytest.mark.parametrize(("header", "payload", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_a_damaged_frame_is_refused_with_its_reason(header: bytes, payload: bytes, told: str) -> None:
    with pytest.raises(WireError, match=told):
        decode(header, payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.fixed_dictionaries(
            {"$": st.sampled_from(["array", "tensor", "scalar", "tuple", "dict", "float", "foreign", "rng"]) | inner},
            optional={
                "v": inner,
                "d": st.sampled_from(CODES) | inner,
                "s": st.lists(st.integers(0, 4) | st.integers(), max_size=4) | inner,
                "k": st.sampled_from(["numpy", "torch"]) | inner,
            },
        )
    ),
    max_leaves=15,
)


def decoded_or_refused(header: bytes, payload: bytes) -> None:
    """Nothing but a WireError comes out, and no more memory than the frame's own size warrants."""
    tracemalloc.start()
    try:
        decode(header, payload)
    except WireError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < (1 << 20) + 200 * (len(header) + len(payload))


@settings(max_examples=150)
@given(st.binary(max_size=200), st.binary(max_size=64))
def test_random_bytes_are_decoded_or_refused(header: bytes, payload: bytes) -> None:
    decoded_or_refused(header, payload)


@settings(max_examples=300)
@given(JSON, st.binary(max_size=64))
def test_any_header_is_decoded_or_refused(tree: Any, payload: bytes) -> None:
    decoded_or_refused(json.dumps(tree).encode(), payload)


SENT = {"x": np.arange(6.0).reshape(2, 3), "y": (torch.arange(4), [None, True, 1.5, "text", Seeded("torch", 3)])}


@settings(max_examples=300)
@given(st.data())
def test_a_real_frame_with_bytes_changed_is_decoded_or_refused(data: st.DataObject) -> None:
    header, payload = (bytearray(part) for part in frame(SENT))
    for _ in range(data.draw(st.integers(1, 4))):
        header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    decoded_or_refused(bytes(header), bytes(payload[:cut]))


@given(st.binary(min_size=wire.PREFIX.size, max_size=wire.PREFIX.size))
def test_a_random_prefix_is_refused(prefix: bytes) -> None:
    assume(not prefix.startswith(wire.MAGIC))
    with pytest.raises(WireError, match="not a frame"):
        read_prefix(prefix)


@given(st.text(max_size=300))
def test_a_foreign_name_is_kept_short(name: str) -> None:
    got = decode(json.dumps({"$": "foreign", "v": name}).encode(), b"")
    assert got == Foreign(name[:200])
