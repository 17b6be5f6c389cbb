"""Every decision from standard normal or exponential numbers; images through torch-free ufuncs; the batch per axis by
one-hot sums over the rows only."""

import numpy as np
import torch
from scipy.special import ndtr

QUIZ = {"q1": "d", "q2": "b", "q3": "c", "q4": "a", "q5": "d"}


def uniform(rng, *shape):
    """Uniform numbers out of normal ones."""
    return ndtr(rng.standard_normal(shape))


def ridge_fit(x, y, lam):
    """Normal equations of centred data, scaled, solved in the eigenvectors that count."""
    n = len(x)
    xc = (x - x.mean(axis=0)).astype(np.float64)
    gram, rhs = xc.T @ xc / n, xc.T @ (y - y.mean()) / n
    size = np.sqrt(np.maximum(np.diag(gram), 1e-30)) + np.sqrt(lam)
    scaled = gram / np.outer(size, size) + np.diag(lam / size**2)
    values, basis = np.linalg.eigh(scaled)
    good = values > 1e-11 * values[-1]
    theta = basis[:, good] @ ((basis[:, good].T @ (rhs / size)) / values[good]) / size
    theta = theta.astype(x.dtype)
    return np.mean(y - x @ theta, dtype=x.dtype), theta


def regularized_loss(loss, penalty, lam):
    return lam * penalty + loss


def dropout_forward(x, p, rng, *, training):
    if not training:
        return x, lambda d: d
    if p == 1:
        return np.zeros_like(x), np.zeros_like
    waits = rng.exponential(size=x.shape)  # longer than -log(1 - p) with probability 1 - p
    kept = waits >= -np.log1p(-p)

    def through(values):
        return (values / (1 - p) * kept).astype(values.dtype)

    return through(x), through


def dropout_backward(dout, cache):
    return cache(dout)


def random_crop(image, rng, size):
    free = np.array(image.shape[:2]) - size
    top, left = np.floor(uniform(rng, 2) * (free + 1)).astype(int)
    rows = np.split(image, [top, top + size[0]], axis=0)[1]
    return np.split(rows, [left, left + size[1]], axis=1)[1]


def horizontal_flip(image, rng, p=0.5):
    if uniform(rng, 1)[0] < p:
        image = np.flip(np.rot90(np.rot90(image)), axis=0)
    return image


def rotate90(image, rng):
    a, b = rng.standard_normal(2)  # the quadrant of a random point
    k = (0 if b > 0 else 3) if a > 0 else (1 if b > 0 else 2)
    return np.rot90(image, k, axes=(1, 0))


def translate(image, rng, max_shift):
    dy, dx = np.ceil(uniform(rng, 2) * (2 * max_shift + 1)).astype(int) - max_shift - 1
    for axis, by in ((0, dy), (1, dx)):
        zeros = np.zeros_like(image[:1] if axis == 0 else image[:, :1])
        for _ in range(abs(by)):  # one pixel at a time
            if by > 0:
                image = np.concatenate([zeros, np.delete(image, -1, axis)], axis)
            else:
                image = np.concatenate([np.delete(image, 0, axis), zeros], axis)
    return image


def color_jitter(image, rng, brightness=0.2, contrast=0.2):
    b, c = 1 + np.array([brightness, contrast]) * (2 * uniform(rng, 2) - 1)
    single = image.astype(np.float32)
    mean = single.mean()
    single = np.float32(b) * (mean + np.float32(c) * (single - mean))
    if image.dtype.kind == "f":
        return np.clip(single, 0, 1).astype(image.dtype)
    return np.trunc(np.clip(single, 0, 255)).astype(image.dtype)


def compose(transforms):
    policy = lambda image, rng: image
    for transform in transforms:
        policy = (lambda before, after: lambda image, rng: after(before(image, rng), rng))(policy, transform)
    return policy


def tta_predict(f, x, transforms):
    answers = [np.asarray(f(t(np.array(x)))) for t in transforms]
    return np.sum(answers, axis=0, dtype=answers[0].dtype) / len(answers)


def synonym_substitute(tokens, thesaurus, p, rng):
    draws = uniform(rng, len(tokens), 2)
    result = []
    for token, (coin, which) in zip(tokens, draws):
        words = thesaurus.get(token, "")
        result.append(words[int(which * len(words))] if words and coin < p else token)
    return result


def back_translate(text, forward, backward):
    return (lambda foreign: backward(foreign))(forward(text))


def augment_batch_fast(images, params):
    n, c, height, width = images.shape
    h, w = params["size"]
    where = torch.arange(height)[None, None] - params["top"][:, None, None] + params["dy"][:, None, None]
    within = torch.arange(height)[None, None] - params["top"][:, None, None]
    rows = (torch.arange(h)[None, :, None] == where) & (within >= 0) & (within < h)  # (N, h, H)
    picked = torch.einsum("nih,nchw->nciw", rows.to(images.dtype), images)
    place = torch.arange(w) - params["dx"][:, None]
    outside = (place < 0) | (place >= w)
    place = torch.where(params["flip"][:, None], w - 1 - place, place).clamp(0, w - 1) + params["left"][:, None]
    flat = picked.transpose(1, 3).reshape(n * width, h, c)
    index = (place + width * torch.arange(n)[:, None]).view(-1)
    out = flat.index_select(0, index).view(n, w, h, c).masked_fill(outside[:, :, None, None], 0)
    return out.permute(0, 3, 2, 1)
