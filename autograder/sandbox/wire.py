"""Plain values as bytes: what crosses the boundary between grader and worker, in both directions.

A frame is `magic, header length, payload length, header (JSON), payload (raw array bytes)`. The header is the value's
tree; arrays stand in it by dtype and shape, and the *receiver* computes where their bytes lie. Nothing is ever
unpickled, every size is capped before anything is read, and what cannot be expressed as plain data arrives as a
`Foreign`: the name of its class, no more.

Runs on both sides: may import numpy and torch, nothing else of Deepgrade.
"""

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

MAGIC = b"DGw1"
PREFIX = struct.Struct("<4sIQ")
MAX_HEADER = 4 << 20
MAX_PAYLOAD = 512 << 20
MAX_NODES = 100_000
MAX_DEPTH = 24
MAX_ODD_KEYS = 100
MAX_TEXT = 1 << 20
MAX_DIGITS = 400

DTYPES = {
    code: np.dtype(code)
    for code in ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16")
}


class WireError(Exception):
    """A frame or a value that breaks the format: the message says how."""


@dataclass(frozen=True)
class Foreign:
    """Stands for an object that is not plain data. `name` is its class, as the other side told it."""

    name: str


@dataclass(frozen=True)
class Seeded:
    """A random generator, sent as its seed and made where it is used: `kind` is "numpy" or "torch"."""

    kind: str
    seed: int

    def make(self) -> np.random.Generator | torch.Generator:
        """The generator itself, in the state that the seed gives."""
        if self.kind == "torch":
            return torch.Generator().manual_seed(self.seed)
        return np.random.default_rng(self.seed)


# Encoding ------------------------------------------------------------------------------------------------------


def encode(value: Any, max_payload: int | None = None, *, sparse: bool = False) -> list[bytes | memoryview]:
    """A value as the parts of one frame; arrays in it are views of the value's own.

    Args:
        value: plain data.
        max_payload: how many bytes of arrays there may be, by default as the format allows.
        sparse: whether sparse tensors travel as they are, or as dense ones. Only what is trusted may send them.

    Raises:
        WireError: the value is larger than a frame may be.
    """
    arrays: list[np.ndarray] = []
    value = _taken_apart(value) if sparse else value
    header = json.dumps(_pack(value, arrays, 0), separators=(",", ":")).encode()
    payload, most = sum(array.nbytes for array in arrays), MAX_PAYLOAD if max_payload is None else max_payload
    if len(header) > MAX_HEADER or payload > most:
        size, limit, of = (len(header), MAX_HEADER, "plain values") if payload <= most else (payload, most, "arrays")
        raise WireError(f"the value is too large to send ({size >> 20} MiB of {of}; {limit >> 20} are allowed)")
    parts: list[bytes | memoryview] = [PREFIX.pack(MAGIC, len(header), payload), header]
    parts.extend(memoryview(array.reshape(-1).view(np.uint8).data) for array in arrays if array.nbytes)
    return parts


@dataclass(frozen=True)
class _Sparse:
    """A sparse tensor's parts: COO's indices and values, or CSR's row starts, columns and values."""

    shape: list[int]
    parts: list[torch.Tensor]


def _taken_apart(value: Any) -> Any:
    """The value with its sparse tensors taken apart."""
    if isinstance(value, torch.Tensor) and value.layout is torch.sparse_coo:
        return _Sparse(list(value.shape), [value.detach()._indices(), value.detach()._values()])
    if isinstance(value, torch.Tensor) and value.layout is torch.sparse_csr:
        plain = value.detach()
        return _Sparse(list(plain.shape), [plain.crow_indices(), plain.col_indices(), plain.values()])
    if isinstance(value, dict):
        return {key: _taken_apart(item) for key, item in value.items()}
    return type(value)(map(_taken_apart, value)) if type(value) in (list, tuple) else value


def _pack(value: Any, arrays: list[np.ndarray], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise WireError(f"the value is nested more than {MAX_DEPTH} levels deep")
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return value[:MAX_TEXT]
    if kind is int:
        return value if abs(value) < 10**MAX_DIGITS else {"$": "foreign", "v": f"int of more than {MAX_DIGITS} digits"}
    if kind is float:
        return value if math.isfinite(value) else {"$": "float", "v": str(value)}
    if isinstance(value, Seeded):
        return {"$": "rng", "k": value.kind, "v": value.seed}
    if isinstance(value, _Sparse):
        return {"$": "sparse", "s": value.shape, "v": [_pack(part, arrays, depth + 1) for part in value.parts]}
    if isinstance(value, torch.Tensor):
        tag = "bfloat16" if value.dtype is torch.bfloat16 else "tensor"
        return _pack_array(_plain_tensor(value), tag, arrays)
    if isinstance(value, np.ndarray | np.generic) and not isinstance(value, np.str_):  # which is a str besides
        return _pack_array(np.asarray(value), "array" if isinstance(value, np.ndarray) else "scalar", arrays)
    return _pack_container(value, arrays, depth)


def _pack_container(value: Any, arrays: list[np.ndarray], depth: int) -> Any:
    if isinstance(value, tuple | list):
        items = [_pack(item, arrays, depth + 1) for item in value]
        return {"$": "tuple", "v": items} if isinstance(value, tuple) else items
    if isinstance(value, dict):
        pairs = [[_pack(key, arrays, depth + 1), _pack(item, arrays, depth + 1)] for key, item in value.items()]
        return {"$": "dict", "v": pairs}
    if isinstance(value, bool | int | float | str):  # subclasses of the plain scalars: enums, IntFlag, str subclasses
        plain = next(base for base in (bool, int, float, str) if isinstance(value, base))
        return _pack(plain(value), arrays, depth)
    return {"$": "foreign", "v": str(value.name if isinstance(value, Foreign) else type(value).__name__)[:200]}


def _plain_tensor(tensor: torch.Tensor) -> np.ndarray:
    """The tensor's numbers, whatever its strides, device, layout, conjugation or class."""
    if type(tensor) is torch.Tensor and tensor.layout is torch.strided and tensor.dtype is not torch.bfloat16:
        return tensor.numpy(force=True)
    with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
        dense = tensor.detach().to_dense() if tensor.layout is not torch.strided else tensor.detach()
        dense = dense.cpu().resolve_conj().resolve_neg()
        if dense.dtype is torch.bfloat16:  # which numpy lacks: its bits
            dense = dense.contiguous().view(torch.int16)
        return np.asarray(dense.numpy())


def _pack_array(array: np.ndarray, kind: str, arrays: list[np.ndarray]) -> Any:
    if array.dtype in (np.longdouble, np.clongdouble):
        with np.errstate(over="ignore"):
            array = array.astype(np.float64 if array.dtype.kind == "f" else np.complex128)
    if array.dtype.newbyteorder("<").str not in DTYPES:
        return {"$": "foreign", "v": f"{kind} of dtype {array.dtype}"[:200]}
    array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(array.shape)
    arrays.append(array)
    return {"$": kind, "d": array.dtype.str, "s": list(array.shape)}


# Decoding ------------------------------------------------------------------------------------------------------


def read_prefix(prefix: bytes, max_payload: int = MAX_PAYLOAD) -> tuple[int, int]:
    """Header and payload length of a frame, checked against the caps before anything of it is read.

    Raises:
        WireError: wrong magic or a length over its cap.
    """
    magic, header, payload = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise WireError("not a frame")
    if header > MAX_HEADER or payload > max_payload:
        raise WireError(f"a frame of {header} + {payload} bytes is over the limit")
    return header, payload


def decode(header: bytes, payload: bytes | bytearray | memoryview, *, own: bool = True, sparse: bool = False) -> Any:
    """The value in a frame. Tensors are on the CPU.

    Args:
        header: JSON.
        payload: the bytes of its arrays.
        own: whether each array owns its memory; else it lies in the payload, where that can be written and is aligned.
        sparse: whether a sparse tensor may be among what comes. Its size is no measure of its memory: only from where
            the frame is trusted.

    Raises:
        WireError: anything but a well-formed value that uses exactly the payload.
    """
    try:
        tree = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise WireError("the header is not JSON") from error
    reader = _Reader(memoryview(payload), own, sparse)
    value = reader.unpack(tree, 0)
    if reader.offset != len(payload):
        raise WireError("the payload is longer than its arrays")
    return value


class _Reader:
    """Walks a header, taking array bytes from the payload in order."""

    def __init__(self, payload: memoryview, own: bool, sparse: bool) -> None:
        self.payload = payload
        self.own = own
        self.sparse = sparse
        self.offset = 0
        self.nodes = 0

    def unpack(self, node: Any, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise WireError("the value has too many parts")
        if isinstance(node, list):
            return [self.unpack(item, depth + 1) for item in node]
        if not isinstance(node, dict):
            return node
        return self._tagged(node, depth)

    def _tagged(self, node: dict[str, Any], depth: int) -> Any:
        tag, value = node.get("$"), node.get("v")
        if tag in ("array", "tensor", "scalar"):
            return self._array(tag, node.get("d"), node.get("s"))
        if tag == "bfloat16" and node.get("d") == "<i2":
            return self._array("tensor", "<i2", node.get("s")).view(torch.bfloat16)
        if tag == "sparse" and self.sparse:
            return _put_together(node["s"], [self.unpack(part, depth + 1) for part in node["v"]])
        if tag == "tuple" and isinstance(value, list):
            return tuple(self.unpack(item, depth + 1) for item in value)
        if tag == "dict" and isinstance(value, list):
            return self._dict(value, depth)
        if tag == "float" and value in ("nan", "inf", "-inf"):
            return float(value)
        if tag == "foreign" and isinstance(value, str):
            return Foreign(value[:200])
        if tag == "rng" and node.get("k") in ("numpy", "torch") and isinstance(value, int) and 0 <= value < 1 << 63:
            return Seeded(node["k"], value)
        raise WireError("an unknown kind of value")

    def _dict(self, pairs: list[Any], depth: int) -> dict[Any, Any]:
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise WireError("a dict that is not made of pairs")
        # Hashes of large numbers and of tuples can be made to collide: filling the dict then takes quadratic time.
        if sum(not _plain_key(key) for key, _ in pairs) > MAX_ODD_KEYS:
            raise WireError("a dict with too many keys that are neither text nor small numbers")
        unpacked = [(self.unpack(key, depth + 1), self.unpack(item, depth + 1)) for key, item in pairs]
        try:
            return dict(unpacked)
        except TypeError as error:
            raise WireError("a dict with a key that cannot be one") from error

    def _array(self, kind: str, code: Any, shape: Any) -> Any:
        dtype = DTYPES.get(code) if isinstance(code, str) else None
        sizes_ok = isinstance(shape, list) and len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)
        if dtype is None or not sizes_ok:
            raise WireError("an array of unknown dtype or shape")
        # Python's integers do not overflow: [0, 2**62] is refused for its size, not trusted for its product.
        # Nor may the other sizes hide behind a 0: numpy multiplies them too.
        if math.prod(max(n, 1) for n in shape) * dtype.itemsize > MAX_PAYLOAD:
            raise WireError("an array with an impossible shape")
        count = math.prod(shape) * dtype.itemsize
        if self.offset + count > len(self.payload):
            raise WireError("an array longer than the payload")
        array: np.ndarray = np.ndarray(shape, dtype, self.payload, self.offset)
        self.offset += count
        if self.own or not (array.flags.writeable and array.flags.aligned):
            array = array.copy()  # which owns its memory; a view could not be resized
        if dtype.kind == "b":
            np.not_equal(array.view(np.uint8), 0, out=array)  # no other byte is a truth value
        if kind == "tensor":
            return torch.from_numpy(array)
        return array[()] if kind == "scalar" and not shape else array


def _put_together(shape: list[int], parts: list[torch.Tensor]) -> torch.Tensor:
    if len(parts) == 2:
        return torch.sparse_coo_tensor(parts[0], parts[1], shape, check_invariants=True)
    return torch.sparse_csr_tensor(parts[0], parts[1], parts[2], shape, check_invariants=True)


def _plain_key(key: Any) -> bool:
    """Whether no two keys like this one have the same hash (of small integers, only -1 and -2 do)."""
    return isinstance(key, str) or (type(key) is int and abs(key) < 1 << 60)


def arrays_in(value: Any) -> Iterator[np.ndarray | torch.Tensor]:
    """Every array and tensor in a value's tree, in order."""
    if isinstance(value, np.ndarray | torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from arrays_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from arrays_in(item)


def first_float(value: Any) -> torch.dtype | None:
    """The dtype of the first floating tensor in a value's tree, None where there is none."""
    tensors = (item for item in arrays_in(value) if isinstance(item, torch.Tensor) and item.is_floating_point())
    return next((item.dtype for item in tensors), None)


def copied(value: Any, *, sparse: bool = False) -> Any:
    """The value as the other side would receive it: plain, and sharing no memory with the original."""
    return received(encode(value, sparse=sparse), sparse=sparse)


def received(frame: list[bytes | memoryview], *, sparse: bool = False) -> Any:
    """The value in the parts of a frame, sharing no memory with them."""
    _, header, *payload = frame
    return decode(bytes(header), b"".join(payload), sparse=sparse)
