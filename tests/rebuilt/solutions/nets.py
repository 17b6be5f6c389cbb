"""Fully connected networks from their parts: layers forward and backward, an optimiser with state, a training run."""

import numpy as np

### BEGIN SOLUTION nets.quiz
QUIZ = {"q1": "c", "q2": 10}
### END SOLUTION


def affine_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, object]:
    """x w + b, after each example was made a row.

    Args:
        x: examples of any shape, (N, d_1, ..., d_k).
        w: weights, shape (D, M), D = d_1 ... d_k.
        b: bias, shape (M,).

    Returns:
        Shape (N, M), and a cache.
    """
    ### BEGIN SOLUTION nets.affine
    return x.reshape(len(x), -1) @ w + b, (x, w)
    ### END SOLUTION


def affine_backward(dout: np.ndarray, cache: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients dx (of x's shape), dw (D, M) and db (M,) of affine_forward, for dout (N, M)."""
    ### BEGIN SOLUTION nets.affine
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)
    ### END SOLUTION


def relu_forward(x: np.ndarray) -> tuple[np.ndarray, object]:
    """max(x, 0), any shape, and a cache."""
    ### BEGIN SOLUTION nets.relu
    return np.maximum(x, 0), x > 0
    ### END SOLUTION


def relu_backward(dout: np.ndarray, cache: object) -> np.ndarray:
    """Gradient dx of relu_forward, of dout's shape."""
    ### BEGIN SOLUTION nets.relu
    return dout * cache
    ### END SOLUTION


def batchnorm_forward(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    *,
    training: bool,
    momentum: float = 0.9,
    eps: float = 1e-5,
) -> tuple[np.ndarray, object, np.ndarray, np.ndarray]:
    """Normalise each feature over the batch in training, by the running statistics otherwise; then scale and shift.

    Args:
        x: shape (N, D).
        gamma, beta: shape (D,).
        running_mean, running_var: shape (D,), left as they are.
        training: by which statistics.
        momentum: how much of a running statistic stays: new = momentum old + (1 - momentum) of the batch.
        eps: added to the variance (the biased one, 1/N) under the root.

    Returns:
        Shape (N, D), a cache, and the new running mean and variance: in evaluation the old ones.
    """
    ### BEGIN SOLUTION nets.batchnorm
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    scale = 1 / np.sqrt(var + eps)
    normal = (x - mean) * scale
    if training:
        running_mean = momentum * running_mean + (1 - momentum) * mean
        running_var = momentum * running_var + (1 - momentum) * var
    return gamma * normal + beta, (normal, gamma * scale, training), running_mean, running_var
    ### END SOLUTION


def batchnorm_backward(dout: np.ndarray, cache: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients dx (N, D), dgamma (D,) and dbeta (D,) of batchnorm_forward."""
    ### BEGIN SOLUTION nets.batchnorm
    normal, scale, training = cache
    dbeta, dgamma = dout.sum(axis=0), (dout * normal).sum(axis=0)
    if training:
        dout = dout - dbeta / len(dout) - normal * dgamma / len(dout)
    return scale * dout, dgamma, dbeta
    ### END SOLUTION


def dropout_forward(x: np.ndarray, p: float, rng: np.random.Generator, *, training: bool) -> tuple[np.ndarray, object]:
    """Inverted dropout: in training each entry is 0 with probability p, else divided by 1 - p; else x.

    Args:
        x: any shape.
        p: the probability of dropping, below 1.
        rng: what decides.
        training: whether anything is dropped.

    Returns:
        Of x's shape, and a cache.
    """
    ### BEGIN SOLUTION nets.dropout
    factor = (rng.random(x.shape) >= p) / (1 - p) if training else np.ones(x.shape)
    return x * factor, factor
    ### END SOLUTION


def dropout_backward(dout: np.ndarray, cache: object) -> np.ndarray:
    """Gradient dx of dropout_forward, of dout's shape."""
    ### BEGIN SOLUTION nets.dropout
    return dout * cache
    ### END SOLUTION


class Momentum:
    """SGD with momentum, for parameters by name: v = mu v - lr g, w = w + v; each v begins at 0."""

    def __init__(self, lr: float, mu: float = 0.9) -> None:
        ### BEGIN SOLUTION nets.momentum
        self.lr, self.mu, self.velocity = lr, mu, {}
        ### END SOLUTION

    def step(self, params: dict[str, np.ndarray], grads: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The new parameters by name; the old ones stay as they are."""
        ### BEGIN SOLUTION nets.momentum
        for name, gradient in grads.items():
            self.velocity[name] = self.mu * self.velocity.get(name, 0.0) - self.lr * gradient
        return {name: value + self.velocity[name] for name, value in params.items()}
        ### END SOLUTION


def net_loss(params: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
    """Mean cross-entropy of affine, ReLU, affine, softmax, and its gradients.

    Args:
        params: w1 (D, H), b1 (H,), w2 (H, C), b2 (C,).
        x: shape (N, D).
        y: classes, integers, shape (N,).

    Returns:
        The loss, a number, and the gradients under the names of the parameters.
    """
    ### BEGIN SOLUTION nets.net
    hidden = np.maximum(x @ params["w1"] + params["b1"], 0)
    scores = hidden @ params["w2"] + params["b2"]
    scores = scores - scores.max(axis=1, keepdims=True)
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    rows = np.arange(len(y))
    dscores = np.exp(log_p)
    dscores[rows, y] -= 1
    dscores /= len(y)
    dhidden = dscores @ params["w2"].T * (hidden > 0)
    grads = {"w1": x.T @ dhidden, "b1": dhidden.sum(axis=0), "w2": hidden.T @ dscores, "b2": dscores.sum(axis=0)}
    return float(-log_p[rows, y].mean()), grads
    ### END SOLUTION


def fit(x: np.ndarray, y: np.ndarray, classes: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Train such a network to tell classes apart on examples that it has not seen, within a few seconds.

    Args:
        x: shape (N, D).
        y: classes, integers in 0..classes - 1, shape (N,).
        classes: how many.
        rng: for the first weights.

    Returns:
        Parameters as net_loss takes them, of any width H.
    """
    ### BEGIN SOLUTION nets.fit
    d, width = x.shape[1], 64
    params = {
        "w1": rng.standard_normal((d, width)) * np.sqrt(2 / d),
        "b1": np.zeros(width),
        "w2": rng.standard_normal((width, classes)) * np.sqrt(2 / width),
        "b2": np.zeros(classes),
    }
    velocity = dict.fromkeys(params, 0.0)
    for _ in range(600):
        hidden = np.maximum(x @ params["w1"] + params["b1"], 0)
        scores = hidden @ params["w2"] + params["b2"]
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        dscores = p / p.sum(axis=1, keepdims=True)
        dscores[np.arange(len(y)), y] -= 1
        dscores /= len(y)
        dhidden = dscores @ params["w2"].T * (hidden > 0)
        grads = {"w1": x.T @ dhidden, "b1": dhidden.sum(axis=0), "w2": hidden.T @ dscores, "b2": dscores.sum(axis=0)}
        velocity = {name: 0.9 * velocity[name] - 0.3 * grads[name] for name in params}
        params = {name: params[name] + velocity[name] for name in params}
    return params
    ### END SOLUTION
