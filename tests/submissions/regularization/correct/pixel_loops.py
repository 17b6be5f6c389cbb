"""Loops over pixels, entries and samples, as slow as it gets where nobody counts; the batch one axis after the other."""

import math

import numpy as np
import torch

QUIZ = {"q1": "d", "q2": "b", "q3": "c", "q4": "a", "q5": "d"}


def ridge_fit(x, y, lam):
    """Conjugate gradients on the normal equations of centred data, restarted until nothing moves."""
    n, d = x.shape
    means = [sum(column) / n for column in x.T]
    xc = (x - np.array(means)).astype(np.float64)
    yc = y.astype(np.float64) - y.mean()
    scale = np.array([math.sqrt(v @ v + n * lam) or 1.0 for v in xc.T])
    z = xc / scale
    theta = np.zeros(d)
    for _ in range(30):
        residual = z.T @ (yc - z @ theta) - n * lam * theta / scale**2
        direction, size = residual.copy(), residual @ residual
        for _ in range(3 * d):
            if size <= 1e-30 * (yc @ yc):
                break
            image = z.T @ (z @ direction) + n * lam * direction / scale**2
            step = size / (direction @ image)
            theta = theta + step * direction
            residual = residual - step * image
            size, last = residual @ residual, size
            direction = residual + size / last * direction
    theta = (theta / scale).astype(x.dtype)
    return float(y.mean() - sum(m * t for m, t in zip(means, theta))), theta


def regularized_loss(loss, penalty, lam):
    total = loss
    total += lam * penalty
    return total


def dropout_forward(x, p, rng, *, training):
    out, kept = np.empty_like(x), {}
    for index in np.ndindex(*x.shape):
        kept[index] = not training or not rng.random() < p
        out[index] = x[index] / (1 - p) if training and kept[index] else x[index] if kept[index] else 0
    return out, (kept, 1 / (1 - p) if training and p < 1 else 1.0)


def dropout_backward(dout, cache):
    kept, factor = cache
    dx = np.empty_like(dout)
    for index, stays in kept.items():
        dx[index] = factor * dout[index] if stays else 0
    return dx


def random_crop(image, rng, size):
    h, w = size
    left = rng.integers(image.shape[1] - w + 1)
    top = rng.integers(image.shape[0] - h + 1)
    out = np.empty((h, w, image.shape[2]), image.dtype)
    for i in range(h):
        for j in range(w):
            out[i, j] = image[top + i, left + j]
    return out


def horizontal_flip(image, rng, p=0.5):
    if not rng.random() < p:
        return image
    return np.stack([image[:, j] for j in reversed(range(image.shape[1]))], axis=1)


def rotate90(image, rng):
    k = rng.integers(1, 5)
    while k:
        image = np.stack([image[:, j] for j in range(image.shape[1] - 1, -1, -1)], axis=0)
        k -= 1
    return image


def translate(image, rng, max_shift):
    choices = range(-max_shift, max_shift + 1)
    dx = choices[rng.integers(len(choices))]
    dy = choices[rng.integers(len(choices))]
    out = np.zeros(image.shape, dtype=image.dtype)
    height, width, _ = image.shape
    for i in range(height):
        for j in range(width):
            if 0 <= i + dy < height and 0 <= j + dx < width:
                out[i + dy, j + dx] = image[i, j]
    return out


def color_jitter(image, rng, brightness=0.2, contrast=0.2):
    low, high = (0, 255) if image.dtype.kind != "f" else (0.0, 1.0)
    mean = sum(map(float, image.ravel())) / image.size
    b, c = rng.uniform(-brightness, brightness), rng.uniform(-contrast, contrast)
    out = image.copy()
    for index in np.ndindex(*image.shape):
        value = (1 + b) * (mean + (1 + c) * (float(image[index]) - mean))
        value = min(high, max(low, value))
        out[index] = round(value) if high == 255 else value
    return out


def compose(transforms):
    def run(image, rng, done=0):
        return image if done == len(transforms) else run(transforms[done](image, rng), rng, done + 1)

    return run


def tta_predict(f, x, transforms):
    mean = None
    for count, transform in enumerate(transforms, start=1):
        prediction = f(transform(x))
        mean = prediction if mean is None else mean + (prediction - mean) / count
    return mean


def synonym_substitute(tokens, thesaurus, p, rng):
    done = []
    for token in tokens:
        if token not in thesaurus or len(thesaurus[token]) == 0:
            done.append(token)
        elif rng.random() >= p:
            done.append(token)
        else:
            done.append(str(rng.permutation(thesaurus[token])[0]))
    return done


def back_translate(text, forward, backward):
    there = forward(text)
    back = backward(there)
    return back


def along(values, axis, start, length, shift, flip):
    """Crops, mirrors and shifts (N, C, H, W) along one axis of its four."""
    place = torch.arange(length) - shift[:, None]
    outside = (place < 0) | (place >= length)
    if flip is not None:
        place = torch.where(flip[:, None], length - 1 - place, place)
    index = (start[:, None] + place).masked_fill(outside, 0)
    shape = [len(values), 1, 1, 1]
    shape[axis] = length
    picked = torch.take_along_dim(values, index.view(shape), dim=axis)
    return picked.masked_fill(outside.view(shape), 0)


def augment_batch_fast(images, params):
    h, w = params["size"]
    rows = along(images, 2, params["top"], h, params["dy"], None)
    return along(rows, 3, params["left"], w, params["dx"], params["flip"])
