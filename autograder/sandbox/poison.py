"""Uninitialised memory filled with NaN, so that an entry nobody wrote shows, instead of the zeros that happen to lie
there."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils._device import _device_constructors


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
        array.fill(np.nan)
    elif array.dtype.kind in "iu":
        array.fill(np.iinfo(array.dtype).max)


def _fill_tensor(tensor: torch.Tensor) -> None:
    if tensor.is_meta:
        return
    with torch.no_grad():
        if tensor.is_floating_point() or tensor.is_complex():
            tensor.fill_(float("nan"))
        elif tensor.dtype is not torch.bool:
            tensor.fill_(torch.iinfo(tensor.dtype).max)
