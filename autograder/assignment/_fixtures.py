"""What checks ask for: every argument must be a fixture or a parameter, and be there where the check runs."""

import ast
from pathlib import Path

from autograder.assignment._checks import last_name
from autograder.assignment._facts import Assignment
from autograder.errors import AuthoringError, did_you_mean
from autograder.syntax import parse

FIXTURES = (
    *("agrees", "arrays", "cost", "draw", "expect", "gpu_race", "keeps_dtype", "limits", "networks", "prover", "race"),
    *("reference", "set_leaderboard_value", "set_score", "student"),
)
WITH_REFERENCE = ("agrees", "cost", "gpu_race", "race", "reference")  # not where public checks run, with students
OF_PYTEST = ("monkeypatch", "recwarn", "request", "tmp_path")


def refuse_fixtures(assignment: Assignment) -> None:
    """Refuse arguments of checks that nobody gives; what needs running to be known is left to the run.

    Raises:
        AuthoringError: the message names file, line, check and argument.
    """
    for room in ("public", "hidden"):
        for file in sorted((assignment.folder / room).glob("test_*.py")):
            _refuse_in(file, is_public=room == "public")


def _refuse_in(file: Path, *, is_public: bool) -> None:
    body = parse(file.read_bytes()).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    own = {node.name for node in functions if _is_fixture(node)}
    own |= {each.asname or each.name for node in body if isinstance(node, ast.ImportFrom) for each in node.names}
    for node in functions:
        if node.name.startswith("test"):
            _refuse_fixtures(node, f"{file}:{node.lineno}: {node.name}", own, is_public=is_public)


def _is_fixture(node: ast.FunctionDef) -> bool:
    """Whether a function is a fixture of the file's own: `@pytest.fixture`, called or not."""
    made = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
    return any(last_name(each) == "fixture" for each in made)


def _refuse_fixtures(node: ast.FunctionDef, where: str, own: set[str], *, is_public: bool) -> None:
    """An argument that no fixture and no parameter gives, or that is not there where public checks run."""
    arguments = [*node.args.posonlyargs, *node.args.args]
    given = {each.arg for each in arguments[: len(arguments) - len(node.args.defaults)]}
    given |= {
        each.arg for each, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if not default
    }
    if is_public and (hidden := sorted(given & {*WITH_REFERENCE} - own)):
        raise AuthoringError(
            f"{where} asks for {hidden[0]!r}, but public checks run where there is no reference: use student and expect"
        )
    parameters = _parameters(node)
    if parameters is None:
        return
    for name in sorted(given - parameters - own - {*FIXTURES, *OF_PYTEST}):
        near = did_you_mean(name, [*parameters, *own, *FIXTURES])
        raise AuthoringError(f"{where}: no fixture and no parameter is called {name!r}{near}")


def _parameters(node: ast.FunctionDef) -> set[str] | None:
    """Names that `parametrize` gives; None where they are not written there."""
    names = set[str]()
    for call in node.decorator_list:
        if isinstance(call, ast.Call) and last_name(call.func) == "parametrize":
            words = [each.value for each in call.keywords if each.arg == "argnames"] + call.args[:1]
            try:
                given = ast.literal_eval(words[0])
            except (ValueError, IndexError):
                return None
            names |= {name.strip() for name in (given.split(",") if isinstance(given, str) else given)}
    return names
