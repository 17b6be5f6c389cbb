"""What prints ratios: never asserted on, so that a slow machine fails nothing. `python -m benchmarks [NAME]`.

REPETITIONS in the environment says how often each thing is done, instead of what each benchmark says itself.
"""

import os


def repetitions(default: int) -> int:
    """How often: as the environment says, or `default`."""
    return max(1, int(os.environ.get("REPETITIONS", default)))
