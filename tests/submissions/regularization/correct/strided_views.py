"""Views of all windows, shifts by rolling, one flat generator of uniform numbers; the batch by padding and gathering."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view

QUIZ = {"q1": "d", "q2": "b", "q3": "c", "q4": "a", "q5": "d"}


def ridge_fit(x, y, lam):
    center = x.mean(axis=0)
    u, s, vt = np.linalg.svd(x - center, full_matrices=False)
    small = s <= 1e-10 * s.max(initial=0) if x.dtype == np.float64 else s <= 1e-5 * s.max(initial=0)
    shrink = np.where(small, 0, s / np.where(small, 1, s**2 + len(x) * lam))
    theta = (vt.T @ (shrink * (u.T @ (y - y.mean())))).astype(x.dtype)
    return y.mean() - center @ theta, theta


def regularized_loss(loss, penalty, lam):
    return float(np.dot([1.0, lam], [loss, penalty]))


def uniform_draws(rng, shape):
    """Uniform numbers, drawn from the end to the start."""
    return rng.random(int(np.prod(shape)))[::-1].reshape(shape)


def dropout_forward(x, p, rng, *, training):
    if not training or p == 0:
        return x.copy(), {"factor": np.ones_like(x)}
    if p == 1:
        return np.zeros_like(x), {"factor": np.zeros_like(x)}
    factor = np.where(uniform_draws(rng, x.shape) < p, 0.0, 1 / (1 - p)).astype(x.dtype)
    return factor * x, {"factor": factor}


def dropout_backward(dout, cache):
    return cache["factor"] * dout


def random_crop(image, rng, size):
    windows = sliding_window_view(image, size, axis=(0, 1))  # (places down, places across, C, h, w)
    i, j = (rng.integers(n) for n in windows.shape[:2])
    return windows[i, j].transpose(1, 2, 0)


def horizontal_flip(image, rng, p=0.5):
    return np.fliplr(image) if rng.random() > 1 - p else image.copy()


def rotate90(image, rng):
    if rng.random() < 0.5:
        image = image[::-1, ::-1]
    if rng.random() < 0.5:
        image = image.transpose(1, 0, 2)[::-1]
    return image


def translate(image, rng, max_shift):
    shift = [int(np.floor(u * (2 * max_shift + 1))) - max_shift for u in rng.random(2)]
    for axis in (0, 1):
        n, by = image.shape[axis], shift[axis]
        by = max(-n, min(n, by))
        image = np.roll(image, by, axis)
        lost = [slice(None)] * 3
        lost[axis] = slice(0, by) if by >= 0 else slice(n + by, n)
        image[tuple(lost)] = 0
    return image


def color_jitter(image, rng, brightness=0.2, contrast=0.2):
    u, v = 2 * rng.random(2) - 1
    top = 255 if np.issubdtype(image.dtype, np.integer) else 1
    mean = image.mean(dtype=np.float64)
    stretched = mean + (1 + contrast * u) * (image.astype(np.float64) - mean)
    return np.clip((1 + brightness * v) * stretched, 0, top).astype(image.dtype)  # integers are cut, not rounded


def compose(transforms):
    if not transforms:
        return lambda image, rng: image
    *rest, last = transforms
    inner = compose(rest)
    return lambda image, rng: last(inner(image, rng), rng)


def tta_predict(f, x, transforms):
    return np.stack([f(t(x)) for t in transforms]).mean(0)


def synonym_substitute(tokens, thesaurus, p, rng):
    coins = rng.random(len(tokens))
    return [
        thesaurus[t][int(rng.random() * len(thesaurus[t]))] if coin < p and thesaurus.get(t) else t
        for t, coin in zip(tokens, coins)
    ]


def back_translate(text, forward, backward):
    for step in (forward, backward):
        text = step(text)
    return text


def augment_batch_fast(images, params):
    n, c, height, width = images.shape
    h, w = params["size"]
    # Crops first, then a frame of zeros as wide as a crop, then a second gathering.
    rows = params["top"][:, None] + torch.arange(h)
    cols = torch.arange(w).expand(n, w)
    cols = params["left"][:, None] + torch.where(params["flip"][:, None], cols.flip(1), cols)
    crops = images.gather(2, rows[:, None, :, None].expand(n, c, h, width))
    crops = crops.gather(3, cols[:, None, None, :].expand(n, c, h, w))
    framed = F.pad(crops, (w, w, h, h))
    rows = (h - params["dy"].clamp(-h, h))[:, None] + torch.arange(h)
    cols = (w - params["dx"].clamp(-w, w))[:, None] + torch.arange(w)
    shifted = framed.gather(2, rows[:, None, :, None].expand(n, c, h, 3 * w))
    return shifted.gather(3, cols[:, None, None, :].expand(n, c, h, w))
