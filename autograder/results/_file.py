"""results.json, written whole and read back."""

import json
from pathlib import Path

from autograder.errors import GraderError, UsageError
from autograder.plain import write_whole
from autograder.results._gradescope import GRADESCOPE_KEYS, to_gradescope
from autograder.results._model import Run

FILE_NAME = "results.json"


def write_results(run: Run, folder: Path) -> Path:
    """Write results.json into a folder, whole or not at all.

    Returns:
        The file's path.
    """
    text = json.dumps(to_gradescope(run), indent=1, allow_nan=False)
    return write_whole(Path(folder) / FILE_NAME, text)


def load_results(path: Path) -> Run:
    """Read a results.json (or the folder that holds one) back: the run as `shown`.

    Raises:
        UsageError: there is no such file.
        GraderError: it was not written by `write_results`, or by another version of it.
    """
    file = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        lines = [{key: test[key] for key in GRADESCOPE_KEYS} | test["extra_data"] for test in data["tests"]]
        return Run.from_dict(data["extra_data"] | {"lines": lines, "leaderboard": data.get("leaderboard", [])})
    except FileNotFoundError as error:
        raise UsageError(f"there are no results at {file}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise GraderError(f"{file} holds no results of Deepgrade's: {type(error).__name__}: {error}") from error
