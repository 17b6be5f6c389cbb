"""`check.py --gradients conv2d --shapes 2x3x8x8,4x3x3x3`: gradients against differences, on shapes of one's own."""

import argparse
import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autograder.assignment import Assignment, CheckFacts, Pair
from autograder.checks import LocalRunner, Raised
from autograder.checks.beside import beside
from autograder.checks.runner import Answer, explain
from autograder.errors import DeepgradeError, SubmissionError, UsageError, did_you_mean
from autograder.local import FAILED, FINE
from autograder.local.clock import Clock, TimeUp
from autograder.local.run import Session
from autograder.local.terminal import RIGHT, WRONG, Terminal
from autograder.local.work import Work, read_work
from autograder.sandbox.absence import TORCH
from autograder.sandbox.request import Request
from autograder.sandbox.steps import cotangents_for
from autograder.sandbox.worker import describe

STEP = 1e-6  # of the central differences, in float64
ALLOWED = 1e-5  # times the largest entry of the gradient, or 1
MOST = 60  # entries of one argument that are tried
SECONDS = 60.0  # for all of it
SHAPE = re.compile(r"(\d+(?:x\d+)*)(?::(\d+))?")
USAGE = "Shapes are written as 2x3x8x8,4x3x3x3, one for each array; 5:10 stands for 5 whole numbers below 10."

Gradients = dict[str, tuple[np.ndarray, int]]  # by name: the gradient, and the position of its argument
Answering = Callable[[list[Any]], list[np.ndarray]]


class Differentiating(Session):
    """One call of check.py --gradients."""

    def __init__(self, assignment: Assignment, checks: tuple[CheckFacts, ...], options: argparse.Namespace) -> None:
        super().__init__(assignment, checks, options)
        self.function = named(options.gradients, assignment)
        self.arguments = [drawn(text, index) for index, text in enumerate(options.shapes.split(","))]
        self.more = dict(_setting(text) for text in options.settings)

    def run(self, clock: Clock, staging: Path) -> int:
        """Differentiate once."""
        terminal = Terminal(self.assignment, self.checks)
        work = read_work(self.path, self.assignment, staging, clock)
        terminal.head(work, self.note)
        try:
            with clock.limit(SECONDS):
                gradients, forward = self._asked(work)
                compared = {name: self._numerical(forward, where, mine) for name, (mine, where) in gradients.items()}
        except TimeUp as over:
            raise SubmissionError(f"It took more than {SECONDS:g} s. {work.place(over)}") from over
        wrong = [name for name, found in compared.items() if not _told(terminal, name, *found)]
        if not compared:
            raise UsageError("there is no gradient to compare", help=USAGE)
        return FAILED if wrong else FINE

    def _asked(self, work: Work) -> tuple[Gradients, Answering]:
        """The student's gradients of sum <cotangent, output>, and that sum as a function of the arguments."""
        try:
            pair = self.assignment.pairs.get(self.function)
            if pair:
                return self._by_hand(work, pair)
            in_numpy = TORCH in self.assignment.task_of(self.function).forbidden
            return self._returned(work) if in_numpy else self._by_torch(work)
        except DeepgradeError:
            raise
        except (Exception, SystemExit) as error:
            raised = Answer(raised=Raised.from_wire(describe(error, str(work.source), work.assignment.parts)))
            told = explain(raised, work.source, self.function, self.assignment.packages)
            raise SubmissionError(told.message) from error

    def _by_hand(self, work: Work, pair: Pair) -> tuple[Gradients, Answering]:
        """Of NAME_forward and NAME_backward."""
        forward = getattr(work.module, f"{pair.name}_forward")

        def outputs(arguments: list[Any]) -> list[np.ndarray]:
            made = dict(zip(pair.returns, forward(*arguments, **self.more), strict=True))
            return [made[name] for name in pair.differentiate]

        step = {"spec": {key: list(getattr(pair, key)) for key in ("returns", "differentiate", "gradients")}, "seed": 0}
        request = Request("pair", pair.name, tuple(self.arguments), self.more, step)
        answer = LocalRunner(work.module, work.helpers, work.assignment.parts).answer(request)
        if not answer.ok:
            called = f"{pair.name}_forward, then _backward"
            raise SubmissionError(explain(answer, work.source, called, self.assignment.packages).message)
        names = list(inspect.signature(forward).parameters)
        found = answer.value["gradients"]
        places = {name: names.index(name[1:]) for name in pair.gradients if name[1:] in names[: len(self.arguments)]}
        return {name: (np.asarray(found[name]), where) for name, where in places.items()}, outputs

    def _returned(self, work: Work) -> tuple[Gradients, Answering]:
        """Of a function that returns a number and, after it, its gradients."""
        function = getattr(work.module, self.function)

        def outputs(arguments: list[Any]) -> list[np.ndarray]:
            return [np.asarray(function(*arguments, **self.more)[0])]

        found = function(*self.arguments, **self.more)
        if not isinstance(found, tuple) or np.ndim(found[0]) != 0:
            raise UsageError(f"{self.function} returns no gradients")
        names = list(inspect.signature(function).parameters)
        floats = [index for index, array in enumerate(self.arguments) if array.dtype.kind == "f"]
        cotangent = float(cotangents_for([np.asarray(found[0])], 0)[0])
        return {
            f"the gradient with respect to {names[index]}": (cotangent * np.asarray(mine), index)
            for index, mine in zip(floats, found[1:], strict=False)
        }, outputs

    def _by_torch(self, work: Work) -> tuple[Gradients, Answering]:
        """Of a function of tensors, by autograd or by an autograd.Function of the student's own."""
        made = getattr(work.module, self.function)
        function = getattr(made, "apply", made)
        if isinstance(made, type) and issubclass(made, torch.nn.Module):
            raise UsageError(f"{self.function} is a module: name a function, or a pair of forward and backward")

        def outputs(arguments: list[Any]) -> list[np.ndarray]:
            out = function(*map(torch.from_numpy, arguments), **self.more)
            return [item.detach().numpy() for item in (out if isinstance(out, tuple) else (out,))]

        leaves = [torch.from_numpy(array).requires_grad_(array.dtype.kind == "f") for array in self.arguments]
        out = function(*leaves, **self.more)
        out = out if isinstance(out, tuple) else (out,)
        cotangents = map(torch.from_numpy, cotangents_for([item.detach().numpy() for item in out], 0))
        sum((item * by).sum() for item, by in zip(out, cotangents, strict=True)).backward()
        names = list(inspect.signature(made.forward if function is not made else made).parameters)
        names = names[1:] if function is not made else names
        return {
            f"the gradient with respect to {names[index]}": (_gradient(leaf), index)
            for index, leaf in enumerate(leaves)
            if leaf.requires_grad
        }, outputs

    def _numerical(self, outputs: Answering, where: int, mine: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Entries of the gradient, the same by central differences, and how many there are in all."""
        array = self.arguments[where]
        if mine.shape != array.shape:
            told = f"the gradient has shape {mine.shape}, and its argument {array.shape}: they must be the same"
            raise SubmissionError(told)
        cotangents = cotangents_for(outputs(self.arguments), 0)
        chosen = np.random.default_rng(0).permutation(array.size)[:MOST] if array.size > MOST else range(array.size)
        steps = np.array([self._difference(outputs, cotangents, where, int(index)) for index in chosen])
        got = mine.reshape(-1)[np.asarray(chosen, dtype=int)]
        whole = array.size <= MOST
        return (mine, steps.reshape(mine.shape), mine.size) if whole else (got, steps, mine.size)

    def _difference(self, outputs: Answering, cotangents: list[Any], where: int, index: int) -> float:
        sums = []
        for sign in (1, -1):
            moved = [array.copy() for array in self.arguments]
            moved[where].reshape(-1)[index] += sign * STEP
            sums.append(sum(float((out * by).sum()) for out, by in zip(outputs(moved), cotangents, strict=True)))
        return (sums[0] - sums[1]) / (2 * STEP)


def _gradient(leaf: torch.Tensor) -> np.ndarray:
    return np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()


def _told(terminal: Terminal, name: str, mine: np.ndarray, steps: np.ndarray, size: int) -> bool:
    """Print how a gradient compares; whether it is right."""
    differs = ~(np.abs(mine - steps) <= ALLOWED * max(1.0, float(np.abs(steps).max(initial=0.0))))
    tried = f"{mine.size} of {size} entries, drawn at random, were tried" if mine.size < size else f"{size} entries"
    if not differs.any():
        terminal.say(f"  {RIGHT} {name} agrees with differences ({tried})")
        return True
    terminal.say(f"  {WRONG} {name}: {int(differs.sum())} of {mine.size} entries do not agree ({tried})")
    if table := beside(mine, steps, differs):
        terminal.say("        " + table.replace("expected", "numerical").replace("\n", "\n        "))
    else:
        worst = int(np.abs(mine - steps).argmax())
        terminal.say(f"        yours {mine.ravel()[worst]:.6g}, by differences {steps.ravel()[worst]:.6g}")
    return False


def named(name: str, assignment: Assignment) -> str:
    """The pair or the function that is meant.

    Raises:
        UsageError: there is none.
    """
    for pair in assignment.pairs:
        if name in (pair, f"{pair}_forward", f"{pair}_backward"):
            return pair
    if name in assignment.public_names:
        return name
    known = [*assignment.pairs, *assignment.public_names]
    raise UsageError(f"there is no function {name!r}{did_you_mean(name, known)}", help=f"There are {', '.join(known)}.")


def drawn(text: str, seed: int) -> np.ndarray:
    """An array of a shape: standard normal, or, with a bound, whole numbers.

    Raises:
        UsageError: that is no shape.
    """
    found = SHAPE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{text!r} is no shape", help=USAGE)
    shape, rng = tuple(map(int, found[1].split("x"))), np.random.default_rng(seed)
    return rng.integers(0, int(found[2]), shape) if found[2] else rng.standard_normal(shape)


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError) as error:
        raise UsageError(f"{text!r} is no argument", help="Write it as stride=2 or padding=(1,0).") from error
