"""Cost: counts that are the same on every machine, against limits in assignment.toml. What enforces vectorisation
where no clock can."""

from dataclasses import dataclass, field
from typing import Any

from autograder.assignment import Costs
from autograder.checks.agreement import Agrees
from autograder.checks.failure import CheckFailed
from autograder.errors import GraderError
from autograder.sandbox.steps import Request

NAMES = {
    "operations": "operations",
    "products": "matrix products",
    "flops": "floating-point operations",
    "largest": "entries of the largest tensor",
    "peak": "peak of live memory",
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
        shown: what the report draws as bars, filled by `within` and `constant`.
    """

    agrees: Agrees
    shown: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> Measured:
        """A plain call."""
        return self._measure(self.agrees.student.request("call", name, args, kwargs, meter=[]))

    def autograd(self, name: str, *args: Any, wrt: Any = None, **kwargs: Any) -> Measured:
        """Forward and backward of a torch function."""
        return self._measure(self.agrees.student.request("autograd", name, args, kwargs, wrt=wrt, meter=[]))

    def module(self, name: str, init: tuple[Any, ...], *inputs: Any, training: bool = True, **kwargs: Any) -> Measured:
        """Forward and backward of a module that was given the reference's parameters."""
        return self._measure(self.agrees.module_request(name, init, inputs, kwargs, training=training, meter=[]))

    def run(self, name: str, *args: Any, **kwargs: Any) -> Measured:
        """A helper: everything that runs in it counts."""
        return self._measure(self.agrees.student.request("run", name, args, kwargs, meter=[]))

    def _measure(self, request: Request) -> Measured:
        self.agrees.compare(request)
        student, reference = self.agrees.student.log[-1][1], self.agrees.reference.log[-1][1]
        if not student.figures or student.tampered:
            raise CheckFailed("The count of operations was switched off while your code ran.", rung="tampered")
        return Measured(self.agrees.student.describe(request), student.figures, reference.figures)

    def within(self, measured: Measured, limits: Costs) -> None:
        """No figure is over its limit.

        Raises:
            CheckFailed: one is; the message shows it beside the reference's.
        """
        over = []
        for name, limit in limits.figures.items():
            mine, theirs = measured.student[name], measured.reference[name]
            if theirs > limit:
                raise GraderError(f"the reference itself needs {theirs} {NAMES[name]}, over the limit of {limit:g}")
            self._show(NAMES[name], mine, theirs, limit, "bytes" if name == "peak" else "")
            if mine > limit:
                over.append(f"{NAMES[name]}: {mine}; at most {limit:g} are allowed, and the reference needs {theirs}")
        if over:
            raise CheckFailed("\n".join(over), rung="cost", call=measured.call)

    def constant(self, first: Measured, second: Measured, what: str, limits: Costs, figure: str = "operations") -> None:
        """A figure does not grow when a size does (it may move by the assignment's `growth`, a factor).

        Raises:
            CheckFailed: it does.
        """
        before, after = first.student[figure], second.student[figure]
        self._show(f"{NAMES[figure]} when {what}", after, second.reference[figure], before * limits.growth, "")
        if after > before * limits.growth:
            told = f"{NAMES[figure]} grow from {before} to {after} when {what}: they should stay the same"
            raise CheckFailed(f"{told} (a loop over that size?)", rung="cost", call=second.call)

    def _show(self, name: str, value: float, reference: float, limit: float, unit: str) -> None:
        self.shown.append({"name": name, "value": value, "reference": reference, "limit": limit, "unit": unit})
