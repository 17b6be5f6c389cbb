"""Transformations as objects, random numbers from spawned and jumped generators, an autograd function for the batch."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

QUIZ = {"q1": "d", "q2": "b", "q3": "c", "q4": "a", "q5": "d"}


def ridge_fit(x, y, lam):
    """In the dual: theta = xc' alpha, with the n x n matrix of inner products."""
    n = len(x)
    xc, yc = x - x.mean(axis=0, keepdims=True), y - y.mean()
    values, vectors = np.linalg.eigh((xc @ xc.T).astype(np.float64))
    values = np.where(values > 1e-12 * max(values.max(), 0), values, 0) + n * lam
    usable = values > 0
    alpha = vectors[:, usable] @ ((vectors[:, usable].T @ yc) / values[usable])
    theta = (xc.T @ alpha).astype(x.dtype)
    return (y - x @ theta).mean(), theta


def regularized_loss(loss, penalty, lam):
    return loss - (-lam) * penalty


@dataclass
class Dropped:
    multiplier: Any

    def __mul__(self, values):
        return (values * self.multiplier).astype(values.dtype)


def dropout_forward(x, p, rng, *, training):
    if not training:
        return x, Dropped(1)
    child = rng.spawn(1)[0]  # a generator of its own, which comes from rng
    keep = child.uniform(size=x.shape) < 1 - p
    cache = Dropped(np.divide(keep, 1 - p, out=np.zeros(x.shape), where=keep))
    return cache * x, cache


def dropout_backward(dout, cache):
    return cache * dout


class Cropper:
    def __init__(self, size):
        self.size = size

    def __call__(self, image, rng):
        slices = []
        for whole, part in zip(image.shape, self.size):
            start = rng.choice(whole - part + 1)
            slices.append(slice(start, start + part))
        return image[tuple(slices)].copy()


def random_crop(image, rng, size):
    return Cropper(size)(image, rng)


def horizontal_flip(image, rng, p=0.5):
    step = -1 if rng.uniform(0, 1) < p else 1
    return image[:, ::step, :]


def rotate90(image, rng):
    by = [lambda i: i, partial(np.rot90, k=-1), partial(np.rot90, k=2), partial(np.rot90, k=1)]  # clockwise
    return by[rng.integers(0, high=3, endpoint=True)](image)


def translate(image, rng, max_shift):
    dy, dx = rng.choice(np.arange(-max_shift, max_shift + 1), size=2)
    out = np.zeros_like(image)
    height, width = image.shape[:2]
    if abs(dy) < height and abs(dx) < width:
        source = image[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
        out[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)] = source
    return out


class Jitter:
    LIMITS = {"i": 255, "u": 255, "f": 1}

    def __init__(self, **ranges):
        self.ranges = ranges

    def __call__(self, image, rng):
        top = self.LIMITS[image.dtype.kind]
        factor = {name: rng.uniform(1 - most, 1 + most) for name, most in self.ranges.items()}
        grey = np.full_like(image, image.mean(), dtype=np.float64)
        blended = factor["contrast"] * image + (1 - factor["contrast"]) * grey
        bright = np.clip(np.clip(blended, 0, top) * factor["brightness"], 0, top)
        return (bright if top == 1 else np.rint(bright)).astype(image.dtype)


def color_jitter(image, rng, brightness=0.2, contrast=0.2):
    return Jitter(contrast=contrast, brightness=brightness)(image, rng)


class Policy:
    def __init__(self, *transforms):
        self.transforms = transforms

    def __call__(self, image, rng):
        result = image
        for transform in self.transforms:
            result = transform(result, rng)
        return result


def compose(transforms):
    return Policy(*transforms)


def tta_predict(f, x, transforms):
    return sum(f(t(x)) for t in transforms) / len(transforms)


class Thesaurus(dict):
    def __missing__(self, word):
        return [word]


def synonym_substitute(tokens, thesaurus, p, rng):
    known = Thesaurus({word: synonyms for word, synonyms in thesaurus.items() if synonyms})
    replaced = rng.random(len(tokens)) < p
    return [rng.choice(known[token]).item() if yes else token for token, yes in zip(tokens, replaced)]


def back_translate(text, forward, backward):
    chain = [forward, backward]
    while chain:
        text = chain.pop(0)(text)
    return text


class Pick(torch.autograd.Function):
    """out = flat[source], 0 where source is -1; the gradient is added up where it came from."""

    @staticmethod
    def forward(ctx, flat, source):
        ctx.save_for_backward(source)
        ctx.length = flat.shape[2]
        padded = torch.cat([flat, flat.new_zeros(*flat.shape[:2], 1)], dim=2)
        return padded.gather(2, source.remainder(ctx.length + 1)[:, None].expand(-1, flat.shape[1], -1))

    @staticmethod
    def backward(ctx, dout):
        (source,) = ctx.saved_tensors
        zeros = dout.new_zeros(*dout.shape[:2], ctx.length + 1)
        index = source.remainder(ctx.length + 1)[:, None].expand(-1, dout.shape[1], -1)
        return zeros.scatter_add(2, index, dout)[..., :-1], None


def augment_batch_fast(images, params):
    n, c, height, width = images.shape
    h, w = params["size"]
    top, left, dy, dx = (params[key].view(n, 1, 1) for key in ("top", "left", "dy", "dx"))
    i, j = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    r, q = i[None] - dy, j[None] - dx
    outside = (r < 0) | (r >= h) | (q < 0) | (q >= w)
    q = q + params["flip"].view(n, 1, 1) * (w - 1 - 2 * q)
    source = torch.where(outside, -1, (top + r) * width + left + q)
    return Pick.apply(images.reshape(n, c, -1), source.view(n, -1)).view(n, c, h, w)
