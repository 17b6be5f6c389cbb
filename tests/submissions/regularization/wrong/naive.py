"""Every task right, but the batch is augmented image by image, pixel by pixel."""

import numpy as np
import torch

QUIZ = {"q1": "d", "q2": "b", "q3": "c", "q4": "a", "q5": "d"}


def ridge_fit(x, y, lam):
    n, d = x.shape
    xc, yc = x - x.mean(axis=0), y - y.mean()
    scale = np.sqrt((xc**2).sum(axis=0) + n * lam)
    scale[scale == 0] = 1
    gram = (xc.T @ xc + n * lam * np.eye(d)) / np.outer(scale, scale)
    theta = (np.linalg.lstsq(gram, xc.T @ yc / scale, rcond=1e-12)[0] / scale).astype(x.dtype)
    return y.mean() - x.mean(axis=0) @ theta, theta


def regularized_loss(loss, penalty, lam):
    return loss + lam * penalty


def dropout_forward(x, p, rng, *, training):
    if not training or p == 0:
        return x, None
    if p == 1:
        return np.zeros_like(x), np.zeros_like(x)
    mask = ((rng.random(x.shape) > p) / (1 - p)).astype(x.dtype)
    return x * mask, mask


def dropout_backward(dout, cache):
    return dout if cache is None else dout * cache


def random_crop(image, rng, size):
    top = rng.integers(image.shape[0] - size[0] + 1)
    left = rng.integers(image.shape[1] - size[1] + 1)
    return image[top : top + size[0], left : left + size[1]]


def horizontal_flip(image, rng, p=0.5):
    if rng.random() < p:
        return np.fliplr(image)
    return image


def rotate90(image, rng):
    return np.rot90(image, rng.integers(4))


def translate(image, rng, max_shift):
    dy, dx = rng.integers(-max_shift, max_shift + 1, 2)
    out = np.zeros_like(image)
    height, width = image.shape[:2]
    for i in range(max(0, dy), min(height, height + dy)):
        for j in range(max(0, dx), min(width, width + dx)):
            out[i, j] = image[i - dy, j - dx]
    return out


def color_jitter(image, rng, brightness=0.2, contrast=0.2):
    b = rng.uniform(1 - brightness, 1 + brightness)
    c = rng.uniform(1 - contrast, 1 + contrast)
    out = b * (image.mean() + c * (image - image.mean()))
    if image.dtype.kind == "f":
        return np.clip(out, 0, 1).astype(image.dtype)
    return np.clip(np.round(out), 0, 255).astype(image.dtype)


def compose(transforms):
    def policy(image, rng):
        for t in transforms:
            image = t(image, rng)
        return image

    return policy


def tta_predict(f, x, transforms):
    return np.mean([f(t(x)) for t in transforms], axis=0)


def synonym_substitute(tokens, thesaurus, p, rng):
    return [rng.choice(thesaurus[t]) if thesaurus.get(t) and rng.random() < p else t for t in tokens]


def back_translate(text, forward, backward):
    return backward(forward(text))


def augment_batch_fast(images, params):
    h, w = params["size"]
    batch = []
    for n in range(len(images)):
        top, left, dy, dx = (int(params[key][n]) for key in ("top", "left", "dy", "dx"))
        zero = images.new_zeros(images.shape[1])
        rows = []
        for i in range(h):
            row = []
            for j in range(w):
                r, c = i - dy, j - dx
                if 0 <= r < h and 0 <= c < w:
                    row.append(images[n, :, top + r, left + (w - 1 - c if params["flip"][n] else c)])
                else:
                    row.append(zero)
            rows.append(torch.stack(row, dim=1))
        batch.append(torch.stack(rows, dim=1))
    return torch.stack(batch)
