"""From the reference to the stub: solutions out, the quiz's questions in. Or, for tests, only the markers out."""

import ast
import textwrap
from collections.abc import Callable

from autograder.assignment import QUIZ, Assignment, Question
from autograder.errors import AuthoringError
from autograder.starter._markers import Block, solution_blocks
from autograder.syntax import parse


def stub_source(assignment: Assignment) -> str:
    """The module that students fill in.

    Raises:
        AuthoringError: the reference cannot be read, its markers or quiz are not in order, or the stub would not parse.
    """

    def replacement(block: Block, inside: list[str]) -> list[str]:
        if block.task == QUIZ:
            _check_answers(inside, block, assignment)
            return _unanswered(assignment.quiz)
        if block.indent == 0:
            return []
        lines = ["# Your code here.", f'raise NotImplementedError("{assignment.name}.{block.task}")']
        return [" " * block.indent + line for line in lines]

    return _rebuilt(assignment, replacement)


def solved_source(assignment: Assignment) -> str:
    """The reference without its markers: what a student who solved everything would hand in."""
    return _rebuilt(assignment, lambda block, inside: inside)


def _rebuilt(assignment: Assignment, replacement: Callable[[Block, list[str]], list[str]]) -> str:
    try:
        source = assignment.solution.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AuthoringError(f"{assignment.solution}: cannot be read ({error})") from error
    lines, kept, position = source.split("\n"), list[str](), 0
    for block in solution_blocks(source, assignment):
        kept += lines[position : block.begin - 1]
        position = block.end
        replaced = replacement(block, lines[block.begin : block.end - 1])
        kept += replaced
        if not (replaced or "".join(kept[-1:]).strip()):  # else the blank lines around what is gone add up
            while position < len(lines) and not lines[position].strip():
                position += 1
    result = "\n".join([*kept, *lines[position:]]).rstrip("\n") + "\n"
    try:
        parse(result)
    except SyntaxError as error:
        message = f"without its solutions it cannot be parsed: line {error.lineno}: {error.msg}"
        raise AuthoringError(f"{assignment.solution}: {message}") from error
    return result


def _check_answers(inside: list[str], block: Block, assignment: Assignment) -> None:
    """The block stands at module level and is `QUIZ = {...}`, one of the options for each of the questions."""
    where = f"{assignment.solution}:{block.begin}: the quiz"
    answers = None
    if block.indent == 0:
        match parse("\n".join(inside)).body:
            case [ast.Assign(targets=[ast.Name(id="QUIZ")], value=ast.Dict() as value)]:
                answers = _literal(value)
    if answers is None:
        raise AuthoringError(f'{where} must be QUIZ = {{"q1": "a", ...}} at module level, and nothing else')
    if list(answers) != (asked := [question.id for question in assignment.quiz]):
        raise AuthoringError(f"{where} answers {list(answers)}, but assignment.toml asks {asked}")
    for question in assignment.quiz:
        if answers[question.id] not in question.options:
            raise AuthoringError(f"{where}: {answers[question.id]!r} is no option of {question.id}")


def _literal(node: ast.Dict) -> dict[str, str] | None:
    try:
        return dict(ast.literal_eval(node))
    except ValueError:
        return None


def _unanswered(questions: tuple[Question, ...]) -> list[str]:
    """The questions as comments, and a dict with None for every answer."""
    lines = ['# The quiz: replace each None by the letter of your answer, for example "a".']
    for question in questions:
        lines += ["#", *_comment(f"{question.id}: ", question.question)]
        for letter, option in question.options.items():
            lines += _comment(f"    {letter}: ", option)
    return [*lines, "QUIZ = {", *(f'    "{question.id}": None,' for question in questions), "}"]


def _comment(lead: str, text: str) -> list[str]:
    """A text as comment lines, those after the first indented as far as the text itself."""
    first, rest = f"# {lead}", "# " + " " * len(lead)
    return textwrap.wrap(" ".join(text.split()), 110, initial_indent=first, subsequent_indent=rest)
