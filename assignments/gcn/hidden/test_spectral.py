"""Laplacians and spectral filters against the reference's, and what theory says of them."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight
from shared import LARGE, MANY, NODES, UNDIRECTED, laplacian_of, positive, relabelled


@pytest.mark.task("spectral")
@weight(2)
@number("6.3")
@pytest.mark.parametrize("n", [NODES, NODES + 2], ids=["connected", "with isolated nodes"])
def test_laplacian(agrees, draw, n):
    """laplacian: D - A of a graph whose degrees differ"""
    agrees("laplacian", relabelled(draw, UNDIRECTED), n)


@pytest.mark.task("spectral")
@weight(1)
@number("6.4")
@pytest.mark.parametrize("extra", [[0, 3, 6, 9], []], ids=["duplicates", "self-loops"])
def test_laplacian_multigraph(agrees, draw, extra):
    """laplacian: duplicate edges add up, and self-loops leave no trace"""
    more = UNDIRECTED[:, extra] if extra else np.array([[1, 4], [1, 4]])
    for skeleton, n in ((UNDIRECTED, NODES), (LARGE, MANY)):
        agrees("laplacian", relabelled(draw, np.concatenate([skeleton, more], axis=1), n=n), n)


@pytest.mark.task("spectral")
@weight(3)
@number("6.5")
@pytest.mark.parametrize("gain", [[0.0, 1.0], [0.7, -0.4, 0.1], "heat", "relative"], ids=str)
def test_filter(agrees, draw, gain):
    """spectral_filter: g scales the eigenvalues' parts; g(lambda) = lambda gives L x"""
    agrees.run("filtered", laplacian_of(relabelled(draw, UNDIRECTED)), draw(NODES, 3), gain)


@pytest.mark.task("spectral", kind="property")
@weight(2)
@number("6.6")
@pytest.mark.parametrize("hops", [1, 2, 3])
def test_filter_is_local(student, expect, draw, hops):
    """spectral_filter: a polynomial of degree K carries an impulse K hops far, and no further"""
    n, name = 9, draw.rng.permutation(9)
    path = name[np.array([np.arange(n - 1), np.arange(1, n)])]
    L = laplacian_of(np.concatenate([path, path[::-1]], axis=1), n)
    impulse = np.zeros((n, 1))
    impulse[name[4]] = 1
    coefficients = positive(draw, hops + 1).tolist()
    got = expect.array(student.run("filtered", L, impulse, coefficients), (n, 1))[name, 0]
    far = np.abs(np.arange(n) - 4) > hops
    beyond = f"a polynomial of degree {hops}, but the impulse reaches nodes more than {hops} hops away"
    expect.true(np.abs(got[far]).max() < 1e-9, beyond)
    ends = got[[4 - hops, 4 + hops]] * (-1) ** hops
    expect(ends, np.full(2, coefficients[-1]), what=f"the size of the impulse {hops} hops away")


@pytest.mark.task("spectral", kind="property")
@weight(1)
@number("6.7")
@pytest.mark.parametrize("gain", ["low", "high"])
def test_filter_repeated_eigenvalues(student, expect, draw, gain):
    """spectral_filter: the eigenvalue 0 alone carries the mean of each component, the others the rest"""
    part = draw.rng.permutation(np.repeat([0, 1, 2], [4, 3, 2]))
    L = laplacian_of(np.array(np.nonzero((part[:, None] == part) & ~np.eye(9, dtype=bool))), 9)
    x = draw(9, 2)
    mean = np.stack([x[part == part[v]].mean(axis=0) for v in range(9)])
    expect(student.run("filtered", L, x, gain), mean if gain == "low" else x - mean)
