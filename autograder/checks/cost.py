"""Cost: counts that are the same on every machine, against limits in assignment.toml. What enforces vectorisation
where no clock can."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from autograder.assignment import COST_FIGURES, Costs
from autograder.checks.agreement import Agrees
from autograder.checks.failure import CheckFailed
from autograder.checks.tolerance import Tolerance
from autograder.errors import GraderError
from autograder.sandbox.steps import Request

NUMPY = "torch"  # what a task in NumPy forbids
ADVICE = {
    "steps": "a Python loop where one operation on whole arrays would do?",
    "operations": "a Python loop where one operation on whole tensors would do?",
    "products": "products that could be one larger product?",
    "largest": "a table of all pairs, or a square matrix of a long axis?",
    "written": "passes over whole tensors that could be saved?",
    "peak": "intermediate results that are kept longer than they are needed?",
}


@dataclass(frozen=True)
class Measured:
    """One call's figures, beside the reference's."""

    call: str
    student: dict[str, int]
    reference: dict[str, int]


@dataclass
class Cost:
    """`cost.autograd("conv2d_fast", x, w)`: what a call costs, once its answer was seen to be right.

    Attributes:
        agrees: student and reference, with the meter on.
        shown: what the report draws as bars, filled by `within`.
    """

    agrees: Agrees
    shown: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> Measured:
        """A plain call."""
        return self._measure(self.agrees.student.request("call", name, args, kwargs, **self._meter(name)))

    def pair(self, name: str, *args: Any, **kwargs: Any) -> Measured:
        """NAME_forward and NAME_backward."""
        return self._measure(self.agrees.student.request("pair", name, args, kwargs, **self._meter(name)))

    def autograd(self, name: str, *args: Any, wrt: Any = None, **kwargs: Any) -> Measured:
        """Forward and backward of a torch function."""
        return self._measure(self.agrees.student.request("autograd", name, args, kwargs, wrt=wrt, meter=[]))

    def module(self, name: str, init: tuple[Any, ...], *inputs: Any, training: bool = True, **kwargs: Any) -> Measured:
        """Forward and backward of a module that was given the reference's parameters."""
        return self._measure(self.agrees.module_request(name, init, inputs, kwargs, training=training, meter=[]))

    def run(self, name: str, *args: Any, tol: Tolerance | None = None, **kwargs: Any) -> Measured:
        """A helper, in torch: everything that runs in it counts."""
        return self._measure(self.agrees.student.request("run", name, args, kwargs, meter=[]), tol)

    def _meter(self, name: str) -> dict[str, Any]:
        """Where torch is forbidden there is nothing for its dispatcher to count: Python's tracer is asked."""
        return {"meter": [], "traces": NUMPY in self.agrees.student.assignment.task_of(name).forbidden}

    def _measure(self, request: Request, tol: Tolerance | None = None) -> Measured:
        self.agrees.compare(request, tol)
        student, reference = self.agrees.student.log[-1][1], self.agrees.reference.log[-1][1]
        if student.tampered or student.figures.keys() != reference.figures.keys():
            raise CheckFailed("The count of operations was switched off while your code ran.", rung="tampered")
        return Measured(self.agrees.student.describe(request), student.figures, reference.figures)

    def within(
        self,
        measured: Measured,
        limits: Costs,
        *,
        constant: Mapping[str, Measured] | None = None,
        linear: Mapping[str, Measured] | None = None,
    ) -> None:
        """No figure is over its limit, and operations do not grow faster with a size than they may.

        Args:
            measured: what is held against `limits`, and what the others are compared with.
            limits: the task's.
            constant: calls with something doubled, under its name ("N doubles"): as many operations, up to the
                assignment's `growth`.
            linear: the same, but operations may double.

        Raises:
            CheckFailed: something is over; the message shows all of it, beside the reference's.
        """
        over = [*self._over(measured, limits)]
        for times, calls in ((1, constant or {}), (2, linear or {})):
            for what, larger in calls.items():
                over += self._growth(measured, larger, what, times, limits.growth)
        if over:
            raise CheckFailed("\n".join(over), rung="cost", call=measured.call)

    def _over(self, measured: Measured, limits: Costs) -> Iterator[str]:
        for name, limit in limits.figures.items():
            figure = COST_FIGURES[name]
            if name not in measured.reference:
                raise GraderError(
                    f"{figure} are not counted in {measured.call}: NumPy and torch have their own figures"
                )
            mine, theirs = measured.student[name], measured.reference[name]
            if theirs > limit:
                raise GraderError(f"the reference itself needs {theirs} {figure}, over the limit of {limit:g}")
            self._show(figure, mine, theirs, limit, "bytes" if name == "peak" else "")
            if mine > limit:
                told = f"{figure}: {mine:,}; at most {int(limit):,} are allowed, and the reference needs {theirs:,}"
                yield f"{told} ({ADVICE[name]})" if name in ADVICE else told

    def _growth(self, first: Measured, second: Measured, what: str, times: int, growth: float) -> Iterator[str]:
        name = "steps" if "steps" in first.student else "operations"
        figure, before, after = COST_FIGURES[name], first.student[name], second.student[name]
        limit = before * times * growth
        self._show(f"{figure} when {what}", after, second.reference[name], limit, "")
        if after > limit:
            asked = "stay about the same" if times == 1 else "about double at most"
            told = f"{figure} grow from {before:,} to {after:,} when {what}"
            yield f"{told}: they should {asked}, {int(limit):,} are allowed (a loop over that size?)"

    def _show(self, name: str, value: float, reference: float, limit: float, unit: str) -> None:
        self.shown.append({"name": name, "value": value, "reference": reference, "limit": limit, "unit": unit})
