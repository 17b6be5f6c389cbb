"""How close is equal: one table, each number with its reason.

Differences are measured against the largest expected magnitude, not entry by entry: a sum of many terms is as exact
as its largest terms, and an entry that cancels to nearly 0 carries their rounding.
"""

import math
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Tolerance:
    """Allowed: `|got - expected| <= atol + rtol * scale`, scale the largest finite expected magnitude.

    Attributes:
        rtol: relative to that magnitude.
        atol: absolute, for answers that are 0 everywhere.
    """

    rtol: float
    atol: float

    def allowed(self, expected: np.ndarray) -> np.ndarray:
        """Allowed difference at each entry, shape as `expected`."""
        magnitude = np.abs(expected.astype(np.complex128 if expected.dtype.kind == "c" else np.float64))
        scale = magnitude.max(initial=0.0, where=np.isfinite(magnitude))
        return np.full(expected.shape, self.atol + self.rtol * scale)

    def scaled(self, factor: float) -> "Tolerance":
        """The same, `factor` times as loose."""
        return replace(self, rtol=self.rtol * factor, atol=self.atol * factor)


# float64: rounding is 1e-16 a step, so honest methods (loops, matrix products, FFT) stay within 1e-12 at homework
# sizes. 1e-8 is far from that, and from any wrong formula. float32: rounding is 6e-8 a step; summation order alone
# gives 1e-6, a variance by subtraction 1e-5. float16, and bfloat16 with it: 1e-2 is one unit in the second digit.
BY_DTYPE = {
    np.dtype(np.float64): Tolerance(1e-8, 1e-10),
    np.dtype(np.float32): Tolerance(1e-4, 1e-6),
    np.dtype(np.float16): Tolerance(1e-2, 1e-3),
}
# What was asked for in float64 and is right to so many tolerances was computed in float32 on the way (a constant, an
# accumulator, a buffer without dtype). Such slips were seen to move 2e-8 to 3e-7, and gradients ten times as much; the
# mildest known wrong formula moves 2e-6.
SINGLE_FACTOR = 100.0
GRADIENT_FACTOR = 10.0  # a gradient passes through the computation twice, and its cotangent is random
LENGTH_FREE = 4096  # reduction lengths up to this fit the table; rounding then grows like the square root


def tolerance_for(*dtypes: np.dtype, gradient: bool = False, length: int = 1) -> Tolerance:
    """The table's entry for the coarsest of these floating dtypes; exact where none is.

    Args:
        dtypes: of what is expected and of what was sent. Never of what came back: a coarse answer would earn itself a
            coarse judgement.
        gradient: whether it is one.
        length: about how many terms are summed for one entry.
    """
    floats = [real(dtype) for dtype in dtypes if dtype.kind in "fc"]
    if not floats:
        return Tolerance(0.0, 0.0)
    coarsest = min(floats, key=lambda dtype: dtype.itemsize)
    factor = (GRADIENT_FACTOR if gradient else 1.0) * math.sqrt(max(1.0, length / LENGTH_FREE))
    return BY_DTYPE[coarsest].scaled(factor)


def real(dtype: np.dtype) -> np.dtype:
    """The floating dtype of a floating or complex dtype's parts."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype.newbyteorder("=")
