"""Everything linear is a matrix: windows, mirrors and shifts multiply the image from both sides."""

import numpy as np
import torch

QUIZ = {"q1": "d", "q2": "b", "q3": "c", "q4": "a", "q5": "d"}


def ridge_fit(x, y, lam):
    """The intercept as a column of ones, with a penalty matrix that leaves it alone."""
    n, d = x.shape
    design = np.hstack([np.ones((n, 1)), x.astype(np.float64)])
    penalty = n * lam * np.diag([0.0] + [1.0] * d)
    gram, rhs = design.T @ design + penalty, design.T @ y
    scale = 1 / np.sqrt(np.maximum(np.diag(gram), 1e-300))
    theta = scale * np.linalg.lstsq(gram * scale * scale[:, None], scale * rhs, rcond=1e-13)[0]
    return float(theta[0]), theta[1:].astype(x.dtype)


def regularized_loss(loss, penalty, lam):
    return loss + penalty * lam


def dropout_forward(x, p, rng, *, training):
    if training:
        mask = rng.choice(np.array([0, 1], dtype=x.dtype), size=x.shape, p=[p, 1 - p])
        mask /= max(1 - p, np.finfo(np.float64).tiny)
    else:
        mask = np.ones_like(x)
    return np.multiply(x, mask), mask


def dropout_backward(dout, cache):
    return np.multiply(dout, cache)


def apply(rows, image, cols):
    """rows (h, H), image (H, W, C), cols (W, w): sums of one term each, exact in every dtype."""
    if image.dtype.kind in "iu":
        return np.einsum("ij,jkc,kl->ilc", rows, image.astype(np.int64), cols).round().astype(image.dtype)
    return np.einsum("ij,jkc,kl->ilc", rows.astype(image.dtype), image, cols.astype(image.dtype))


def random_crop(image, rng, size):
    eyes = [np.eye(n) for n in image.shape[:2]]
    tops = [rng.permutation(len(eye) - s + 1)[0] for eye, s in zip(eyes, size)]
    return apply(eyes[0][tops[0] : tops[0] + size[0]], image, eyes[1][:, tops[1] : tops[1] + size[1]])


def horizontal_flip(image, rng, p=0.5):
    eye = np.eye(image.shape[1])
    mirror = eye[::-1] if rng.choice([True, False], p=[p, 1 - p]) else eye
    return apply(np.eye(len(image)), image, mirror)


def rotate90(image, rng):
    for _ in range(rng.permutation(4)[-1]):
        image = apply(np.eye(image.shape[1])[::-1], image.swapaxes(0, 1), np.eye(image.shape[0]))
    return image


def translate(image, rng, max_shift):
    dy, dx = (rng.permutation(2 * max_shift + 1)[0] - max_shift for _ in "yx")
    return apply(np.eye(image.shape[0], k=-dy), image, np.eye(image.shape[1], k=dx))


def color_jitter(image, rng, brightness=0.2, contrast=0.2):
    lows, highs = np.array([1 - brightness, 1 - contrast]), np.array([1 + brightness, 1 + contrast])
    b, c = lows + (highs - lows) * rng.random(2)
    flat = image.reshape(-1).astype(float)
    n = len(flat)
    changed = b * (c * flat + (1 - c) * (np.ones(n) @ flat / n))
    if issubclass(image.dtype.type, np.floating):
        return changed.clip(0.0, 1.0).reshape(image.shape).astype(image.dtype)
    return np.around(changed).clip(0, 255).reshape(image.shape).astype(image.dtype)


def compose(transforms):
    from functools import reduce

    return lambda image, rng: reduce(lambda so_far, transform: transform(so_far, rng), transforms, image)


def tta_predict(f, x, transforms):
    predictions = np.array([f(t(x)) for t in transforms])
    weights = np.full(len(predictions), 1 / len(predictions), dtype=predictions.dtype)
    return np.tensordot(weights, predictions, axes=1)


def synonym_substitute(tokens, thesaurus, p, rng):
    def one(token):
        synonyms = thesaurus.get(token)
        if not synonyms:
            return token
        choices, chances = [token] + list(synonyms), [1 - p] + [p / len(synonyms)] * len(synonyms)
        return choices[np.searchsorted(np.cumsum(chances)[:-1], rng.random(), side="right")]

    return list(map(one, tokens))


def back_translate(text, forward, backward):
    return backward(text=forward(text)) if False else backward(forward(text))


def augment_batch_fast(images, params):
    h, w = params["size"]
    height, width = images.shape[2:]
    i, j = torch.arange(h), torch.arange(w)
    rows = i - params["dy"][:, None]
    cols = j - params["dx"][:, None]
    from_rows = torch.where((rows >= 0) & (rows < h), params["top"][:, None] + rows, -1)
    mirrored = torch.where(params["flip"][:, None], w - 1 - cols, cols)
    from_cols = torch.where((cols >= 0) & (cols < w), params["left"][:, None] + mirrored, -1)
    pick_rows = (from_rows[:, :, None] == torch.arange(height)).to(images.dtype)
    pick_cols = (from_cols[:, :, None] == torch.arange(width)).to(images.dtype)
    return pick_rows[:, None] @ images @ pick_cols[:, None].transpose(2, 3)
