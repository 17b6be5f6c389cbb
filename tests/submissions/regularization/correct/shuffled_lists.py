"""Draws by shuffling, sorting and counting; images as lists of rows; the batch scattered instead of gathered."""

import numpy as np
import scipy.linalg
import torch

QUIZ = {"q1": "d", "q2": "b", "q3": "c", "q4": "a", "q5": "d"}


def ridge_fit(x, y, lam):
    """QR with pivoting of data and penalty rows; columns without any share get 0."""
    n, d = x.shape
    a = np.vstack([x - x.mean(axis=0), np.sqrt(n * lam) * np.eye(d)]).astype(np.float64)
    b = np.concatenate([y - y.mean(), np.zeros(d)])
    q, r, order = scipy.linalg.qr(a, mode="economic", pivoting=True)
    size = np.abs(np.diag(r))
    rank = int((size > 1e-11 * size.max(initial=0)).sum())
    theta = np.zeros(d)
    theta[order[:rank]] = scipy.linalg.solve_triangular(r[:rank, :rank], (q.T @ b)[:rank])
    theta = theta.astype(x.dtype)
    return (y - x @ theta).mean(), theta


def regularized_loss(loss, penalty, lam):
    return np.sum([loss, lam * penalty])


def dropout_forward(x, p, rng, *, training):
    """How many are dropped is binomial; which ones, a shuffle decides."""
    if not training:
        return x + 0, None
    dropped = np.arange(x.size) < rng.binomial(x.size, p)
    rng.shuffle(dropped)
    dropped = dropped.reshape(x.shape)
    return np.where(dropped, 0, x / (1 - p if p < 1 else 1)).astype(x.dtype), (dropped, p)


def dropout_backward(dout, cache):
    if cache is None:
        return dout + 0
    dropped, p = cache
    dx = dout / (1 - p if p < 1 else 1)
    dx[dropped] = 0
    return dx


def random_crop(image, rng, size):
    h, w = size
    corners = [(i, j) for i in range(len(image) - h + 1) for j in range(image.shape[1] - w + 1)]
    i, j = corners[rng.integers(len(corners))]
    return np.array([[image[i + a, j + b] for b in range(w)] for a in range(h)])


def horizontal_flip(image, rng, p=0.5):
    return image[:, np.argsort(-np.arange(image.shape[1]))] if rng.random() < p else image


def rotate90(image, rng):
    quarter = int(rng.bytes(1)[0]) & 3
    if quarter == 1:
        return np.flip(image.transpose((1, 0, 2)), 0)
    if quarter == 2:
        return np.flip(image, (0, 1))
    return np.flip(image.transpose((1, 0, 2)), 1) if quarter == 3 else image


def translate(image, rng, max_shift):
    order = np.arange(-max_shift, max_shift + 1)
    dy = rng.permutation(order)[0]
    dx = rng.permutation(order)[-1]
    height, width, channels = image.shape
    big = np.zeros((height + 2 * max_shift, width + 2 * max_shift, channels), image.dtype)
    big[max_shift + dy : max_shift + dy + height, max_shift + dx : max_shift + dx + width] = image
    return big[max_shift : max_shift + height, max_shift : max_shift + width]


def color_jitter(image, rng, brightness=0.2, contrast=0.2):
    u = rng.random(3)  # one more than needed
    b, c = 1 + brightness * (1 - 2 * u[2]), 1 + contrast * (1 - 2 * u[0])
    values = image.astype(np.float64)
    values = b * (values.mean() * (1 - c) + c * values)
    highest = 1 if np.issubdtype(image.dtype, np.floating) else 255
    values[values < 0], values[values > highest] = 0, highest
    return values.astype(image.dtype)


def compose(transforms):
    def apply_all(image, rng):
        queue = list(transforms)
        while queue:
            image = queue.pop(0)(image, rng)
        return image

    return apply_all


def tta_predict(f, x, transforms):
    return np.add.reduce([f(t(x)) for t in transforms]) / len(transforms)


def synonym_substitute(tokens, thesaurus, p, rng):
    out = list(tokens)
    for place in rng.permutation(len(tokens)):  # from anywhere to anywhere
        synonyms = thesaurus.get(out[place], [])
        if len(synonyms) and rng.random() < p:
            out[place] = synonyms[np.argmax(rng.random(len(synonyms)))]
    return out


def back_translate(text, forward, backward):
    return "".join([backward("".join([forward(text)]))])


def augment_batch_fast(images, params):
    """Every pixel of the crop is sent where it belongs; those that leave go into one more place at the end."""
    n, c, _, width = images.shape
    h, w = params["size"]
    i, j = torch.arange(h), torch.arange(w)
    rows, cols = params["top"][:, None] + i, params["left"][:, None] + j
    crops = images.flatten(2).gather(2, (rows[:, :, None] * width + cols[:, None]).view(n, 1, -1).expand(n, c, -1))
    to_rows = i + params["dy"][:, None]
    to_cols = torch.where(params["flip"][:, None], w - 1 - j, j) + params["dx"][:, None]
    inside = ((to_rows >= 0) & (to_rows < h))[:, :, None] & ((to_cols >= 0) & (to_cols < w))[:, None]
    target = torch.where(inside, to_rows[:, :, None] * w + to_cols[:, None], h * w).view(n, 1, -1).expand(n, c, -1)
    out = torch.zeros(n, c, h * w + 1, dtype=images.dtype).scatter(2, target, crops)
    return out[..., :-1].view(n, c, h, w)
