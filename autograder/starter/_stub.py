"""From the reference to the stub: solutions out, the quiz's questions in. Or, for tests, only the markers out."""

import ast
import textwrap
from collections.abc import Callable

from autograder.assignment import KEYS, NUMBER, QUIZ, ROUNDING, STUDENT, Assignment, Key, Question, constants
from autograder.errors import AuthoringError
from autograder.starter._markers import Block, solution_blocks
from autograder.syntax import parse

CHOOSE = 'the letter of your answer, for example "a".'
DRAWN = (
    "STUDENT is who you are: your e-mail address, as the platform has it on which you hand in; of a group, that of one "
    "of you. Some questions have numbers of your own, which `python check.py quiz` shows."
)
ANSWER = 'your answer: "a", the letter of an option; 0.25, a number; or "a text".'


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
    """The block stands at module level and holds the key alone: `QUIZ = {...}`, an answer to each of the questions, and
    perhaps `ACCEPTED`, `FORMULAS` and `STUDENT`, each once."""
    where = f"{assignment.solution}:{block.begin}: the quiz"
    module = parse("\n".join(inside) if block.indent == 0 else "")
    named = [ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else "" for node in module.body]
    key = Key.read(module)
    if key.answers is None or not {*named} <= {*KEYS} or len({*named}) < len(named):
        raise AuthoringError(f'{where} must be QUIZ = {{"q1": "a", ...}} at module level, and nothing else')
    if list(key.answers) != (asked := [question.id for question in assignment.quiz]):
        raise AuthoringError(f"{where} answers {list(key.answers)}, but assignment.toml asks {asked}")
    for wrong in key.faults(assignment.quiz, assignment.deliverable):
        raise AuthoringError(f"{where}: {wrong}")


def _unanswered(questions: tuple[Question, ...]) -> list[str]:
    """The questions as comments, and a dict with None for every answer."""
    how = CHOOSE if all(question.options for question in questions) else ANSWER
    lines = [f"# The quiz: replace each None by {how}"]
    student = [f"{STUDENT} = None"] if STUDENT in constants(questions) else []
    if student:
        lines += _comment("", DRAWN)
    for question in questions:
        lines += ["#", *_comment(f"{question.id}: ", question.asked())]
        for letter, option in question.options.items():
            lines += _comment(f"    {letter}: ", option)
        if not question.options:
            lines += _comment("    ", f"({_wanted(question)})")
    return [*lines, *student, "QUIZ = {", *(f'    "{question.id}": None,' for question in questions), "}"]


def _wanted(question: Question) -> str:
    told = question.wanted
    if question.kind == NUMBER and question.tolerance > ROUNDING:
        told = f"{told}, right within {100 * question.tolerance:g} %"
    names = list(question.values)
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""
    return f"{told}; {'a number is' if len(names) == 1 else 'numbers are'} drawn for you as {listed}" if names else told


def _comment(lead: str, text: str) -> list[str]:
    """A text as comment lines, those after the first indented as far as the text itself."""
    first, rest = f"# {lead}", "# " + " " * len(lead)
    return textwrap.wrap(" ".join(text.split()), 110, initial_indent=first, subsequent_indent=rest)
