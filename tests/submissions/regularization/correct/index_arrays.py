"""Indices for everything: fancy indexing of images, normal equations with a pseudo-inverse, binomial masks."""

import numpy as np
import torch

QUIZ = {"q1": "d", "q2": "b", "q3": "c", "q4": "a", "q5": "d"}


def ridge_fit(x, y, lam):
    n, d = x.shape
    xm, ym = x.mean(0), y.mean()
    xc, yc = x - xm, y - ym
    theta = np.linalg.pinv(xc.T @ xc + n * lam * np.identity(d, dtype=x.dtype), rcond=1e-12 if x.dtype == np.float64 else 1e-6, hermitian=True) @ (xc.T @ yc)
    theta = theta.astype(x.dtype)
    return float(ym - xm.dot(theta)), theta


def regularized_loss(loss, penalty, lam):
    return sum([loss, penalty * lam])


def dropout_forward(x, p, rng, *, training):
    keep = rng.binomial(1, 1 - p, size=x.shape).astype(bool) if training else np.ones(x.shape, bool)
    rate = 1 - p if training else 1
    out = np.zeros_like(x)
    out[keep] = x[keep] / rate if rate > 0 else 0
    return out, (keep, rate)


def dropout_backward(dout, cache):
    keep, rate = cache
    dx = np.zeros_like(dout)
    dx[keep] = dout[keep] / rate if rate > 0 else 0
    return dx


def random_crop(image, rng, size):
    height, width = image.shape[:2]
    place = rng.choice((height - size[0] + 1) * (width - size[1] + 1))  # all places in one list
    top, left = divmod(place, width - size[1] + 1)
    return image[np.ix_(top + np.arange(size[0]), left + np.arange(size[1]))]


def horizontal_flip(image, rng, p=0.5):
    columns = np.arange(image.shape[1])
    if rng.binomial(1, p):
        columns = columns.max() - columns
    return image.take(columns, axis=1)


def rotate90(image, rng):
    k = int(rng.choice([0, 1, 2, 3]))
    rows, cols = np.indices(image.shape[:2])
    for _ in range(k):
        rows, cols = rows.T[::-1], cols.T[::-1]
    return image[rows, cols]


def translate(image, rng, max_shift):
    height, width, _ = image.shape
    dx, dy = rng.integers(-max_shift, max_shift, size=2, endpoint=True)
    rows, cols = np.arange(height)[:, None] - dy, np.arange(width) - dx
    inside = (0 <= rows) & (rows < height) & (0 <= cols) & (cols < width)
    picked = image[rows.clip(0, height - 1), cols.clip(0, width - 1)]
    return np.where(inside[..., None], picked, np.zeros((), image.dtype))


def color_jitter(image, rng, brightness=0.2, contrast=0.2):
    c, b = rng.uniform([1 - contrast, 1 - brightness], [1 + contrast, 1 + brightness])
    if image.dtype.kind in "iu":
        values = np.arange(256)  # what becomes of each value, in a table
        mean = image.mean()
        table = np.clip(np.floor(b * (mean + c * (values - mean)) + 0.5), 0, 255).astype(image.dtype)
        return table[image]
    mean = image.mean()
    return np.minimum(np.maximum(b * mean + b * c * (image - mean), 0), 1).astype(image.dtype)


def compose(transforms):
    steps = list(transforms)

    def policy(image, rng):
        for i in range(len(steps)):
            image = steps[i](image, rng)
        return image

    return policy


def tta_predict(f, x, transforms):
    total = 0
    for t in transforms:
        total = total + f(t(x))
    return total / len(transforms)


def synonym_substitute(tokens, thesaurus, p, rng):
    result = list(tokens)
    known = [i for i, token in enumerate(tokens) if len(thesaurus.get(token, ())) > 0]
    for i in known:
        if rng.binomial(1, p):
            result[i] = rng.choice(thesaurus[tokens[i]])
    return result


def back_translate(text, forward, backward):
    foreign = forward(text)
    return backward(foreign)


def augment_batch_fast(images, params):
    n, c, height, width = images.shape
    h, w = params["size"]
    i = torch.arange(h) - params["dy"].unsqueeze(1)
    j = torch.arange(w) - params["dx"].unsqueeze(1)
    ok = (i >= 0).unsqueeze(2) & (i < h).unsqueeze(2) & (j >= 0).unsqueeze(1) & (j < w).unsqueeze(1)
    j = torch.where(params["flip"].unsqueeze(1), w - 1 - j, j)
    i = (params["top"].unsqueeze(1) + i).clamp(0, height - 1)
    j = (params["left"].unsqueeze(1) + j).clamp(0, width - 1)
    rows = torch.arange(n)[:, None, None]
    picked = images.permute(0, 2, 3, 1)[rows, i[:, :, None], j[:, None, :]]
    return (picked * ok.unsqueeze(3).to(images.dtype)).permute(0, 3, 1, 2)
