"""Fresh random values for a check: from the run's seed and the check's own name, so that neither order nor selection
matters."""

import zlib
from functools import cached_property

import numpy as np
import torch


class Draw:
    """Random arrays of one check. Two checks of a run differ; a regrade with the same seed repeats."""

    def __init__(self, seed: int, check: str) -> None:
        self._entropy = [seed, zlib.crc32(check.encode())]

    @cached_property
    def rng(self) -> np.random.Generator:
        """The generator behind every draw."""
        return np.random.default_rng(np.random.SeedSequence(self._entropy))

    def __call__(self, *shape: int) -> np.ndarray:
        """Standard normal, float64."""
        return np.asarray(self.rng.standard_normal(shape))

    def wide(self, *shape: int) -> np.ndarray:
        """Normal, float64, of a standard deviation between 0.1 and 100 that is drawn too: what works at one size of
        numbers only shows."""
        return np.asarray(10 ** self.rng.uniform(-1, 2) * self(*shape))

    def tensor(self, *shape: int, wide: bool = False) -> torch.Tensor:
        """Standard normal, or as `wide`; torch.float64."""
        return torch.from_numpy(self.wide(*shape) if wide else self(*shape))

    def single(self, *shape: int) -> torch.Tensor:
        """Standard normal, torch.float32."""
        return torch.from_numpy(np.asarray(self.rng.standard_normal(shape, dtype=np.float32)))

    def ints(self, low: int, high: int, *shape: int) -> np.ndarray:
        """int64, low <= value < high."""
        return np.asarray(self.rng.integers(low, high, shape))

    def bools(self, *shape: int, p: float = 0.5) -> np.ndarray:
        """True with probability p."""
        return np.asarray(self.rng.random(shape) < p)

    def seed(self) -> int:
        """A seed for something that runs elsewhere."""
        return int(self.rng.integers(1 << 62))
