"""Beside the student's code; nothing hidden in here."""

import numpy as np


def stepped(submission, gradients, lr, mu):
    """Parameters after each step of Momentum, whose gradients are given."""
    optimiser = submission.Momentum(lr, mu)
    params = {name: np.ones_like(gradient) for name, gradient in gradients[0].items()}
    seen = []
    for grads in gradients:
        params = optimiser.step(params, grads)
        seen.append(params)
    return seen


def told_apart(submission, x, y, classes, new, seed):
    """The classes that a network which fit has trained gives to new points."""
    params = submission.fit(x, y, classes, np.random.default_rng(seed))
    hidden = np.maximum(new @ params["w1"] + params["b1"], 0)
    return (hidden @ params["w2"] + params["b2"]).argmax(axis=1)
