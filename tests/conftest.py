"""For every test: one thread, no deadline for an example (machines are shared), GPU tests only where there is a GPU."""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from autograder.grading import Engine

os.environ.setdefault("OMP_NUM_THREADS", "1")
with suppress(ModuleNotFoundError):  # a machine that is there for its GPU only may not have it
    from hypothesis import settings

    settings.register_profile("shared machine", deadline=None)
    settings.load_profile("shared machine")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests wait for processes that they start."""
    return 1 + len(os.sched_getaffinity(0))


@pytest.fixture(scope="session")
def engine() -> "Iterator[Engine]":
    """One warm process for all tests that do nothing to it: starting one takes seconds."""
    from autograder.grading import Engine

    with Engine() as running:
        yield running


@pytest.fixture(scope="session")
def shared_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Audits of this process use that one, too, where each would start its own. It is started when one needs it."""
    from autograder.grading import Engine

    def started(preload: tuple[str, ...]) -> "AbstractContextManager[Engine]":
        return Engine(preload=preload) if preload else nullcontext(request.getfixturevalue("engine"))

    with pytest.MonkeyPatch.context() as patch:
        for module in ("_audit", "_strength"):
            patch.setattr(f"autograder.audit.{module}.Engine", started)
        yield


@pytest.fixture(scope="session")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small course, where a call has less time: for what never comes to its end."""
    root = tmp_path_factory.mktemp("hasty") / "course"
    shutil.copytree(Path(__file__).parent / "course", root, ignore=shutil.ignore_patterns("__pycache__"))
    facts = root / "assignments" / "mini" / "assignment.toml"
    text = facts.read_text("utf-8")
    assert "call_seconds = 4.0" in text
    facts.write_text(text.replace("call_seconds = 4.0", "call_seconds = 1.5"), "utf-8")
    return root


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
