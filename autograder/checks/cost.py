"""Cost: counts that are the same on every machine, against limits in assignment.toml. What enforces vectorisation
where no clock can."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from autograder.assignment import COST_FIGURES, Costs
from autograder.checks.failure import CheckFailed
from autograder.checks.proven import Asking, Inputs, Proofs, Proven
from autograder.checks.tolerance import Tolerance
from autograder.errors import GraderError

ADVICE = {
    "operations": "a Python loop where one operation on whole tensors would do?",
    "products": "products that could be one larger product?",
    "largest": "a table of all pairs, or a square matrix of a long axis?",
    "written": "passes over whole tensors that could be saved?",
    "peak": "intermediate results that are kept longer than they are needed?",
    "kept": "intermediate results that the backward pass could compute again?",
}


@dataclass
class Cost:
    """`cost.autograd("conv2d_fast", lambda draw: (draw.tensor(2, 3, 7, 6), draw.tensor(4, 3, 3, 2)))`: what a call
    costs, proven in a replay (see `Proofs`).

    The function draws the arguments of one call from the draw that it is given: floating tensors will be others in the
    replay, everything else stays what it was.

    Attributes:
        proofs: student, reference, and where recordings are replayed.
        limits: the task's; recording ends soon after they are passed.
        shown: what the report draws as bars, filled by `within`.
    """

    proofs: Proofs
    limits: Costs | None = None
    shown: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, name: str, inputs: Inputs, **kwargs: Any) -> Proven:
        """A plain call."""
        return self._proven(lambda agrees, draw: agrees.student.request("call", name, inputs(draw), kwargs))

    def autograd(self, name: str, inputs: Inputs, wrt: Any = None, **kwargs: Any) -> Proven:
        """Forward and backward of a torch function."""
        return self._proven(
            lambda agrees, draw: agrees.student.request("autograd", name, inputs(draw), kwargs, wrt=wrt)
        )

    def module(self, name: str, init: tuple[Any, ...], inputs: Inputs, training: bool = True, **kwargs: Any) -> Proven:
        """Forward and backward of a module that was given the reference's parameters."""
        return self._proven(
            lambda agrees, draw: agrees.module_request(name, init, inputs(draw), kwargs, training=training)
        )

    def run(self, name: str, inputs: Inputs, tol: Tolerance | None = None, **kwargs: Any) -> Proven:
        """A helper, in torch: everything that runs in it counts."""
        return self._proven(lambda agrees, draw: agrees.student.request("run", name, inputs(draw), kwargs), tol)

    def _proven(self, asking: Asking, tol: Tolerance | None = None) -> Proven:
        limit = self.limits.figures.get("operations") if self.limits is not None else None
        return self.proofs.of(asking, tol, limit)

    def within(
        self,
        measured: Proven,
        limits: Costs,
        *,
        constant: Mapping[str, Proven] | None = None,
        linear: Mapping[str, Proven] | None = None,
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

    def _over(self, measured: Proven, limits: Costs) -> Iterator[str]:
        for name, limit in limits.figures.items():
            figure, mine, theirs = COST_FIGURES[name], measured.student[name], measured.reference[name]
            if theirs > limit:
                raise GraderError(f"the reference itself needs {theirs} {figure}, over the limit of {limit:g}")
            self._show(figure, mine, theirs, limit, "bytes" if name in ("peak", "kept") else "")
            if mine > limit:
                told = f"{figure}: {mine:,}; at most {int(limit):,} are allowed, and the reference needs {theirs:,}"
                yield f"{told} ({ADVICE[name]})" if name in ADVICE else told

    def _growth(self, first: Proven, second: Proven, what: str, times: int, growth: float) -> Iterator[str]:
        figure, before, after = COST_FIGURES["operations"], first.student["operations"], second.student["operations"]
        limit = before * times * growth
        self._show(f"{figure} when {what}", after, second.reference["operations"], limit, "")
        if after > limit:
            asked = "stay about the same" if times == 1 else "about double at most"
            told = f"{figure} grow from {before:,} to {after:,} when {what}"
            yield f"{told}: they should {asked}, {int(limit):,} are allowed (a loop over that size?)"

    def _show(self, name: str, value: float, reference: float, limit: float, unit: str) -> None:
        self.shown.append({"name": name, "value": value, "reference": reference, "limit": limit, "unit": unit})
