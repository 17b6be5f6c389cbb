"""What takes too long is ended where it is, and torch is left as it was."""

from collections.abc import Callable
from contextlib import contextmanager

import pytest
import torch

from autograder.checks.interrupting import within


@contextmanager
def own_manager():
    with torch.no_grad():
        yield


MANAGERS: dict[str, Callable[[], object]] = {
    "torch.no_grad": torch.no_grad,
    "torch.set_grad_enabled": lambda: torch.set_grad_enabled(False),
    "torch.inference_mode": torch.inference_mode,
    "one of contextlib's": own_manager,
}


@pytest.mark.parametrize("manager", MANAGERS.values(), ids=MANAGERS.keys())
def test_who_is_interrupted_among_context_managers_leaves_no_mode_behind(manager: Callable) -> None:
    def loop(left: Callable[[], float]) -> None:
        while True:
            with manager():
                pass

    for round_ in range(40):
        within(0.01 + 1e-5 * round_, loop)
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == (True, False)


def test_a_loop_within_a_context_manager_is_ended_too() -> None:
    class Endless:
        def __enter__(self) -> None:
            while True:
                pass

        def __exit__(self, *_: object) -> None: ...

    def enter(left: Callable[[], float]) -> None:
        with Endless():
            pass

    assert within(0.01, enter) >= 0.01
