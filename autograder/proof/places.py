"""Where operations write and read: some kernels go where the indices in their arguments say, without a look. Honest
recordings hold the indices that torch itself made; a forged one may hold any, and is refused here."""

import math
from collections.abc import Callable
from typing import Any

import torch

from autograder.proof.recording import RecordingRefused


def refuse_wild_places(name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Before an operation runs.

    Raises:
        RecordingRefused: it would write or read outside its tensors.
    """
    fits = FITS.get(name)
    if fits is None:
        return
    try:
        right = fits(args, kwargs)
    except (IndexError, TypeError, AttributeError, RuntimeError, ValueError):  # arguments that are not what it takes
        right = False
    if not right:
        raise RecordingRefused(f"goes to places outside its tensors, in {name}")


def _pooled(axes: int) -> Callable[[list[Any], dict[str, Any]], bool]:
    """The backward pass of a pooling: gradient, what was pooled, …, places in it."""

    def fits(args: list[Any], kwargs: dict[str, Any]) -> bool:
        gradient, pooled, places = args[0], args[1], args[-1]
        return bool(gradient.shape == places.shape and _within(places, math.prod(pooled.shape[-axes:])))

    return fits


def _bags(args: list[Any], kwargs: dict[str, Any]) -> bool:
    """The backward pass of an embedding bag: gradient, indices, [offsets,] bag of each index, sizes, maxima, …"""
    with_offsets = len(args) > 5 and isinstance(args[5], torch.Tensor)
    gradient, indices, bag, sizes, maxima = args[0], args[1], *args[3 if with_offsets else 2 :][:3]
    count = args[6 if with_offsets else 5]
    offsets_fit = not with_offsets or (_within(args[2], len(indices) + 1) and len(args[2]) >= len(gradient))
    numbers_fit = not bag.numel() or (bag.shape == indices.shape and _within(bag, len(gradient)))
    rows_fit = len(sizes) >= len(gradient) and (not maxima.numel() or _within(maxima, max(count, len(indices)) + 1, -1))
    return bool(_within(indices, count) and offsets_fit and numbers_fit and rows_fit)


def _segments(args: list[Any], kwargs: dict[str, Any]) -> bool:
    """A reduction of segments, and its backward pass: lengths or offsets along an axis of the data."""
    data = args[2] if len(args) > 2 and isinstance(args[2], torch.Tensor) else args[0]
    size, lengths, offsets = data.shape[kwargs.get("axis", 0)], kwargs.get("lengths"), kwargs.get("offsets")
    if lengths is not None:
        return bool((lengths >= 0).all() and (lengths.sum(-1) == size).all())
    return offsets is not None and bool(_within(offsets, size + 1) and (offsets.diff(dim=-1) >= 0).all())


def _within(places: torch.Tensor, size: int, least: int = 0) -> bool:
    return not bool(((places < least) | (places >= size)).any())


FITS: dict[str, Callable[[list[Any], dict[str, Any]], bool]] = {
    "max_pool2d_with_indices_backward": _pooled(2),
    "adaptive_max_pool2d_backward": _pooled(2),
    "max_pool3d_with_indices_backward": _pooled(3),
    "adaptive_max_pool3d_backward": _pooled(3),
    "_embedding_bag_backward": _bags,
    "_embedding_bag_dense_backward": _bags,
    "segment_reduce": _segments,
    "_segment_reduce_backward": _segments,
}


def refuse_wild_indices(result: Any) -> None:
    """Kernels on sparse tensors trust the indices in them."""
    if not isinstance(result, torch.Tensor) or result.layout is torch.strided or result.is_meta:
        return
    if result.layout is torch.sparse_coo:
        sizes = torch.tensor(result.shape[: result.sparse_dim()])[:, None]
        fits = bool(((result._indices() >= 0) & (result._indices() < sizes)).all())
    else:
        rows = result.layout in (torch.sparse_csr, torch.sparse_bsr)
        ends, places = (
            (result.crow_indices(), result.col_indices()) if rows else (result.ccol_indices(), result.row_indices())
        )
        size = result.shape[-1 if rows else -2]
        ordered = bool((ends[..., 1:] >= ends[..., :-1]).all()) and not bool(ends[..., 0].any())
        whole = not ends.numel() or bool((ends[..., -1] == places.shape[-1]).all())
        fits = ordered and whole and bool(((places >= 0) & (places < size)).all())
    if not fits:
        raise RecordingRefused("makes a sparse tensor with indices outside it")
