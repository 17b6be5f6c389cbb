"""For every test: one thread, no deadline for an example (machines are shared), GPU tests only where there is a GPU."""

import os
from contextlib import suppress

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
with suppress(ModuleNotFoundError):  # a machine that is there for its GPU only may not have it
    from hypothesis import settings

    settings.register_profile("shared machine", deadline=None)
    settings.load_profile("shared machine")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests wait for processes that they start."""
    return 1 + len(os.sched_getaffinity(0))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a CUDA device where there is none; torch is asked only if something does."""
    needy = [item for item in items if item.get_closest_marker("gpu")]
    if not needy:
        return
    import torch

    if not torch.cuda.is_available():
        for item in needy:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the notebooks took, where they were run."""
    properties = [item for report in terminalreporter.getreports("passed") for item in report.user_properties]
    if spent := sorted(str(value) for key, value in properties if key == "notebook"):
        terminalreporter.write_line(f"CPU seconds of the notebooks: {', '.join(spent)}")
