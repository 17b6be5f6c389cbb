"""SciPy for what it has: minimisation of the objective, shifts and rotations of images, statistics for the draws."""

import numpy as np
import scipy.ndimage
import scipy.optimize
import torch

QUIZ = {"q1": "d", "q2": "b", "q3": "c", "q4": "a", "q5": "d"}


def ridge_fit(x, y, lam):
    """Minimises the objective by its gradient, in features of one scale."""
    n, d = x.shape
    center, spread = x.mean(0), x.std(0)
    spread = np.where(spread > 0, spread, 1)
    z, level = ((x - center) / spread).astype(float), y.std() or 1
    t = ((y - y.mean()) / level).astype(float)

    def objective(beta):
        off, theta = z @ beta - t, beta / spread
        value = (off**2).mean() + lam * (theta**2).sum()
        return value, 2 / n * z.T @ off + 2 * lam * theta / spread

    options = {"maxiter": 20_000, "maxfun": 50_000, "ftol": 1e-16, "gtol": 1e-12, "maxcor": 30}
    found = scipy.optimize.minimize(objective, np.zeros(d), jac=True, method="L-BFGS-B", options=options)
    theta = (found.x * level / spread).astype(x.dtype)
    return y.mean() - center @ theta, theta


def regularized_loss(loss, penalty, lam):
    return np.add(loss, np.multiply(lam, penalty))


class Mask:
    def __init__(self, kept, scale):
        self.kept, self.scale = kept, scale

    def __call__(self, values):
        return np.where(self.kept, values * self.scale, values.dtype.type(0))


def dropout_forward(x, p, rng, *, training):
    if not training:
        mask = Mask(np.full(x.shape, True), 1)
    elif p >= 1:
        mask = Mask(np.full(x.shape, False), 1)
    else:
        mask = Mask(rng.geometric(1 - p, x.shape) == 1 if p > 0 else np.full(x.shape, True), 1 / (1 - p))
    return mask(x), mask


def dropout_backward(dout, cache):
    return cache(dout)


def random_crop(image, rng, size):
    corner = [rng.integers(0, big - small, endpoint=True) for big, small in zip(image.shape, size)]
    moved = scipy.ndimage.shift(image, [-c for c in corner] + [0], order=0)
    return moved[: size[0], : size[1]]


def horizontal_flip(image, rng, p=0.5):
    return np.flip(image, axis=1) if rng.uniform() < p else image


def rotate90(image, rng):
    angle = 90 * rng.integers(4)
    return scipy.ndimage.rotate(image, angle, axes=(0, 1), order=0, reshape=True)


def translate(image, rng, max_shift):
    offset = rng.integers(-max_shift, max_shift + 1, size=(2,))
    return scipy.ndimage.shift(image, (*offset, 0), order=0, mode="constant", cval=0)


def color_jitter(image, rng, brightness=0.2, contrast=0.2):
    b = 1 + brightness * rng.uniform(-1, 1)
    c = 1 + contrast * rng.uniform(-1, 1)
    mean = image.mean()
    whole = np.issubdtype(image.dtype, np.integer)
    out = np.clip(b * image, 0, 255 if whole else 1)  # clipped after each of the two
    out = np.clip(c * out + (1 - c) * b * mean, 0, 255 if whole else 1)
    return (np.round(out) if whole else out).astype(image.dtype)


class compose:
    def __init__(self, transforms):
        self.transforms = tuple(transforms)

    def __call__(self, image, rng):
        for transform in self.transforms:
            image = transform(image, rng)
        return image


def tta_predict(f, x, transforms):
    return np.average([f(t(x)) for t in transforms], axis=0)


def synonym_substitute(tokens, thesaurus, p, rng):
    out = []
    for token in tokens:
        options = list(thesaurus.get(token) or [])
        rng.shuffle(options)  # drawn whether needed or not
        coin = rng.uniform()
        out += [options[0]] if options and coin < p else [token]
    return out


def back_translate(text, forward, backward):
    return backward((lambda t: forward(t))(text))


def augment_batch_fast(images, params):
    """Nearest-neighbour sampling on a grid of coordinates from -1 to 1."""
    n, c, height, width = images.shape
    h, w = params["size"]
    rows = torch.arange(h)[None] - params["dy"][:, None]
    cols = torch.arange(w)[None] - params["dx"][:, None]
    seen = ((rows >= 0) & (rows < h))[:, None, :, None] & ((cols >= 0) & (cols < w))[:, None, None, :]
    cols = torch.where(params["flip"][:, None], w - 1 - cols, cols)
    y = (2 * (params["top"][:, None] + rows.clamp(0, h - 1)) + 1) / height - 1
    x = (2 * (params["left"][:, None] + cols.clamp(0, w - 1)) + 1) / width - 1
    grid = torch.stack([x[:, None, :].expand(n, h, w), y[:, :, None].expand(n, h, w)], dim=3)
    real = images if images.is_floating_point() else images.double()
    picked = torch.nn.functional.grid_sample(real, grid.to(real.dtype), mode="nearest", align_corners=False)
    return picked.to(images.dtype).masked_fill(~seen, 0)
