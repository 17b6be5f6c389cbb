"""Uninitialised memory filled with NaN, so that an entry nobody wrote shows, instead of the zeros that happen to lie
there. It is a NaN of its own, whose bits arithmetic mostly passes on, so that it can be told from computed ones."""

import functools
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils._device import _device_constructors

BITS = 0x7FF8_DEAD_0000_0000  # of a float64; so many are 0 at the end that a float32 holds the others
UNWRITTEN = struct.unpack("<d", struct.pack("<Q", BITS))[0]


def is_unwritten(array: np.ndarray) -> bool:
    """Whether any NaN among floating numbers comes from memory that was never written."""
    wide = np.asarray(array.real, dtype=np.float64, order="C")
    return bool((wide.view(np.uint64) == BITS).any())


def poison() -> None:
    """Patch `empty` and its kin in numpy and torch, in this process. Integers and booleans get a conspicuous value."""
    _device_constructors()  # remembers the originals, by which `with torch.device("meta")` knows a factory
    for name in ("empty", "empty_like"):
        setattr(np, name, _filled(getattr(np, name), _fill_array))
    for name in ("empty", "empty_like", "empty_strided", "empty_permuted"):
        setattr(torch, name, _filled(getattr(torch, name), _fill_tensor))
    for name in ("new_empty", "new_empty_strided"):
        setattr(torch.Tensor, name, _filled(getattr(torch.Tensor, name), _fill_tensor))


def _filled(make: Callable[..., Any], fill: Callable[[Any], None]) -> Callable[..., Any]:
    if hasattr(make, "fills"):
        return make  # once is enough

    @functools.wraps(make)
    def filled(*args: Any, **kwargs: Any) -> Any:
        made = make(*args, **kwargs)
        fill(made)
        return made

    vars(filled)["fills"] = fill
    return filled


def _fill_array(array: np.ndarray) -> None:
    if array.dtype.kind in "fc":
        array.fill(UNWRITTEN)
    elif array.dtype.kind in "iu":
        array.fill(np.iinfo(array.dtype).max)


def _fill_tensor(tensor: torch.Tensor) -> None:
    if tensor.is_meta:
        return
    with torch.no_grad():
        if tensor.is_floating_point() or tensor.is_complex():
            tensor.fill_(UNWRITTEN)
        elif tensor.dtype is not torch.bool:
            tensor.fill_(torch.iinfo(tensor.dtype).max)
