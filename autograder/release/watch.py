"""A plugin of pytest for the trial of a release: writes down how each case of a public check ends. Copied, alone, into
an environment that has nothing else of the grader."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FAILS = ("CheckFailed", "AssertionError", "Failed")


class Watch:
    """What came of each case: by check, `[kind, message]` with kind passed, failed or stumbled."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.ended: dict[str, list[tuple[str, str]]] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """One case has run, or could not be set up."""
        yield
        if call.when == "call" or (call.when == "setup" and call.excinfo is not None):
            error: Any = None if call.excinfo is None else call.excinfo.value
            name = type(error).__name__
            kind = "passed" if error is None else "failed" if name in FAILS else "stumbled"
            told = "" if error is None else f"{name}: {error}"
            self.ended.setdefault(item.name.partition("[")[0], []).append((kind, told))

    def pytest_unconfigure(self) -> None:
        """All have run."""
        self.out.write_text(json.dumps(self.ended))


def pytest_configure(config: pytest.Config) -> None:
    """Watch where the environment says so."""
    if out := os.environ.get("DEEPGRADE_WATCH"):
        config.pluginmanager.register(Watch(Path(out)), "deepgrade-watch")
