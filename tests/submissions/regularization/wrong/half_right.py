"""A homework in progress: much of it right, the usual slips with ranges and masks, two functions not begun."""

import numpy as np
import torch

QUIZ = {"q1": "d", "q2": "a", "q3": "c", "q4": "a", "q5": None}


def ridge_fit(x, y, lam):
    xc, yc = x - x.mean(axis=0), y - y.mean()
    theta = np.linalg.solve(xc.T @ xc + lam * np.eye(x.shape[1]), xc.T @ yc)
    return y.mean() - x.mean(axis=0) @ theta, theta


def regularized_loss(loss, penalty, lam):
    return loss + lam * penalty


def dropout_forward(x, p, rng, *, training):
    global mask
    mask = rng.random(x.shape) >= p
    return (x * mask / (1 - p) if training else x), training


def dropout_backward(dout, cache):
    return dout * mask if cache else dout


def random_crop(image, rng, size):
    top = rng.integers(0, image.shape[0] - size[0])
    left = rng.integers(0, image.shape[1] - size[1])
    return image[top : top + size[0], left : left + size[1]]


def horizontal_flip(image, rng, p=0.5):
    return np.flip(image, axis=1) if np.random.rand() < p else image


def rotate90(image, rng):
    return np.rot90(image, rng.integers(4))


def translate(image, rng, max_shift):
    dy, dx = rng.integers(-max_shift, max_shift + 1, size=2)
    return np.roll(image, (dy, dx), axis=(0, 1))


def color_jitter(image, rng, brightness=0.2, contrast=0.2):
    b, c = rng.uniform(1 - brightness, 1 + brightness), rng.uniform(1 - contrast, 1 + contrast)
    return (b * (image.mean() + c * (image - image.mean()))).astype(image.dtype)


def compose(transforms):
    raise NotImplementedError("regularization.augment")


def tta_predict(f, x, transforms):
    return sum(f(t(x)) for t in transforms) / len(transforms)


def synonym_substitute(tokens, thesaurus, p, rng):
    return [rng.choice(thesaurus[token]) if token in thesaurus and rng.random() < p else token for token in tokens]


def back_translate(text, forward, backward):
    return backward(forward(text))


def augment_batch_fast(images, params):
    raise NotImplementedError("regularization.augment_fast")
