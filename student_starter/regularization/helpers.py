"""Runs beside the submission: hands it generators, transformations and models, and reports what came of them. Judges
nothing."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor


def draws(submission: ModuleType, name: str, image: np.ndarray, args: list[Any], seed: int, count: int) -> Any:
    """What a transformation makes of the same image, `count` times, by one generator."""
    rng, transform = np.random.default_rng(seed), getattr(submission, name)
    return _together([transform(image.copy(), rng, *args) for _ in range(count)])


def _together(results: list[Any]) -> Any:
    """Arrays of one shape and dtype as one array, which travels faster; anything else as it is."""
    alike = all(isinstance(each, np.ndarray) for each in results) and len({(e.shape, e.dtype) for e in results}) == 1
    return np.stack(results) if alike else results


def default_draws(submission: ModuleType, name: str, image: np.ndarray, seed: int, count: int) -> Any:
    """As `draws`, with the arguments' defaults."""
    return draws(submission, name, image, [], seed, count)


def _step(kind: str, value: Any) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """A transformation without chance, and two that draw: one random number, into the channel `value`."""

    def noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        changed = image.copy()
        changed[..., value] += rng.random()
        return changed

    return {
        "add": lambda image, rng: image + value,
        "multiply": lambda image, rng: image * value,
        "rows": lambda image, rng: image[value:],
        "transpose": lambda image, rng: image.swapaxes(0, 1),
        "noise": noise,
    }[kind]


def composed(submission: ModuleType, image: np.ndarray, steps: list[list[Any]], seed: int, calls: int = 1) -> list[Any]:
    """One composition of such steps, called again and again with one generator."""
    rng, policy = np.random.default_rng(seed), submission.compose([_step(*step) for step in steps])
    return [policy(image.copy(), rng) for _ in range(calls)]


def augmented(submission: ModuleType, image: np.ndarray, size: tuple[int, int], seeds: list[int]) -> list[Any]:
    """A policy of all five transformations of images, once with each seed. `size` is that of the first one's crop."""
    steps = [
        lambda image, rng: submission.random_crop(image, rng, size),
        submission.horizontal_flip,
        submission.rotate90,
        lambda image, rng: submission.translate(image, rng, 2),
        submission.color_jitter,
    ]
    policy = submission.compose(steps)
    return [policy(image.copy(), np.random.default_rng(seed)) for seed in seeds]


def two_by_two(
    submission: ModuleType, x: list[np.ndarray], dout: list[np.ndarray], p: float, seed: int, order: list[int]
) -> dict[str, Any]:
    """Two forward passes of dropout, one after the other; then the backward of each, in this order."""
    rng = np.random.default_rng(seed)
    passes = [submission.dropout_forward(each, p, rng, training=True) for each in x]
    gradients = {index: submission.dropout_backward(dout[index], passes[index][1]) for index in order}
    return {"out": [out for out, _ in passes], "dx": [gradients[index] for index in range(len(x))]}


def dropouts(submission: ModuleType, x: np.ndarray, p: float, seed: int, count: int) -> Any:
    """The same activations through dropout, `count` times, by one generator."""
    rng = np.random.default_rng(seed)
    return _together([submission.dropout_forward(x.copy(), p, rng, training=True)[0] for _ in range(count)])


def _probabilities(weight: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A classifier of images (H, W, C) or (W, H, C): softmax of the weight (classes, H W C) times the pixels."""

    def f(x: np.ndarray) -> np.ndarray:
        scores = weight @ np.asarray(x).ravel()
        weights = np.exp(scores - scores.max())
        return weights / weights.sum()

    return f


def _probabilities_of_rows(weight: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The same for each row of pixels: (H, W, C) to (H, classes)."""
    return lambda x: np.stack([_probabilities(weight)(row) for row in np.asarray(x)])


TRANSFORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "same": lambda x: x,
    "turn 1": lambda x: np.rot90(x, 1),
    "turn 2": lambda x: np.rot90(x, 2),
    "turn 3": lambda x: np.rot90(x, 3),
    "mirror": lambda x: x[:, ::-1],
    "negative": lambda x: -x,
    "double": lambda x: 2 * x,
    "shift": lambda x: np.roll(x, 1, axis=1),
}


def averaged(submission: ModuleType, x: np.ndarray, weight: np.ndarray, names: list[str]) -> Any:
    """`tta_predict` of a softmax classifier over the named transformations."""
    return submission.tta_predict(_probabilities(weight), x.copy(), [TRANSFORMS[name] for name in names])


def averaged_rows(submission: ModuleType, x: np.ndarray, weight: np.ndarray, names: list[str]) -> Any:
    """`tta_predict` of a classifier that gives a row of probabilities for each row of pixels."""
    return submission.tta_predict(_probabilities_of_rows(weight), x.copy(), [TRANSFORMS[name] for name in names])


def sentences(
    submission: ModuleType, tokens: list[str], thesaurus: dict[str, list[str]], p: float, seed: int, count: int
) -> list[Any]:
    """The same sentence, substituted `count` times by one generator."""
    rng = np.random.default_rng(seed)
    known = {word: list(synonyms) for word, synonyms in thesaurus.items()}
    return [submission.synonym_substitute(list(tokens), known, p, rng) for _ in range(count)]


def there_and_back(submission: ModuleType, text: str, forward: dict[str, str], backward: dict[str, str]) -> Any:
    """`back_translate` with two dictionaries, word by word; a word that is not in one is marked as not understood."""

    def by(words: dict[str, str]) -> Callable[[str], str]:
        return lambda given: " ".join(words.get(word, f"<{word}?>") for word in given.split())

    return submission.back_translate(text, by(forward), by(backward))


def augment_batch(submission: ModuleType, images: Tensor, params: dict[str, Any]) -> Any:
    """`augment_batch_fast` on images that need no gradient, integers for example."""
    with torch.no_grad():
        return submission.augment_batch_fast(images, params)
