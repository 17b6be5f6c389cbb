"""Which known mistakes give the same answer? The requests of a failed check, answered again by the reference with each
mistake in it, and by pairs of them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations, product
from pathlib import Path
from types import ModuleType
from typing import Protocol

from autograder.assignment import Assignment, Mistake, load_mistakes, mistaken, reference_texts
from autograder.checks.compare import as_numpy
from autograder.checks.door import Door
from autograder.checks.failure import Raised
from autograder.checks.interrupting import within
from autograder.checks.leaves import Leaves, Place, Same, closely, differing, leaves, with_dtypes
from autograder.checks.remembered import Memory, Remembered
from autograder.checks.runner import Answer, LocalRunner
from autograder.checks.slips import asserted
from autograder.checks.trusted import reference_module
from autograder.errors import GraderError
from autograder.proof import structure
from autograder.proof.recording import Recording
from autograder.sandbox.request import Request
from autograder.sandbox.wire import arrays_in

SECONDS = 5.0  # of the processor, for one check: a hint must never eat the time of the checks
MORE_SECONDS = 1.0  # from the beginning, after which no others are tried where one has been found
PAIR_SECONDS = 1.5  # besides, for two mistakes at once
ALL_PAIRS_SECONDS = 5.0  # and for those of all checks of a submission
AND = " + "  # between the names of mistakes that are made together
EITHER = " / "  # between the names of mistakes that answer alike
MOST = 3  # of these are told
NOWHERE: Place = ("nowhere",)
BOTH = "Two mistakes at once give this answer. {} And: {}"


class Diagnoses(Protocol):
    """Anything that knows known mistakes by their answers."""

    def of(self, task: str | None, student: Door, reference: Door | None, by_dtype: bool = False) -> Mistake | None:
        """The known mistake that answered as the student did; see `Diagnosis.of`."""
        ...


@dataclass(frozen=True)
class Explanation:
    """One mistake that gives a failed check's answers, or two that do together; or one that gives them in part."""

    mistakes: tuple[Mistake, ...]
    partly: bool = False

    def told(self) -> Mistake:
        """What the student hears."""
        first, *others = self.mistakes
        if not others:
            return first
        edits = tuple(edit for mistake in self.mistakes for edit in mistake.edits)
        name = AND.join(mistake.name for mistake in self.mistakes)
        return Mistake(name, first.task, edits, BOTH.format(first.hint, others[0].hint), ())


@dataclass
class Diagnosis:
    """The known mistakes of an assignment, made into modules when first needed.

    Attributes:
        memory: keeps what they answered; None where nobody asks again.
        found: by check, all that explains its failure, the likeliest first.
    """

    assignment: Assignment
    helpers: ModuleType | None = None
    memory: Memory | None = None
    found: dict[str, list[Explanation]] = field(default_factory=dict)
    _modules: dict[str, ModuleType] = field(default_factory=dict)
    _mistakes: tuple[Mistake, ...] | None = None
    _for_pairs: float = ALL_PAIRS_SECONDS

    def of(self, task: str | None, student: Door, reference: Door | None, by_dtype: bool = False) -> Mistake | None:
        """The known mistake that answers every request of a failed check as the student did; or else two that do
        together; or else one that gives what is wrong first, and gets nothing wrong that the student has right.

        At least one of these answers must differ from the reference's: agreement on what is right shows nothing. Of
        another case of a check nothing is told; it only rules out what does not explain it, too.

        Args:
            task: whose mistakes to try where the check has no name, None for all.
            student: the log of a failed check, and the check's name: only mistakes that say they lose it are tried.
            reference: answers what is right; without it nothing is found.
            by_dtype: whether dtypes count.
        """
        if reference is None or not student.log:
            return None
        before = self.found.get(student.check) if student.check else None
        if before is not None and len(before) < 2:
            return None
        failure = Failure.of(student, reference, with_dtypes if by_dtype else closely)
        if before is not None:
            self.found[student.check] = self._also(failure, before) or before
            return None
        likely, others = self._candidates(task, student.check)
        found = self._explanations(failure, likely, others)
        self.found[student.check] = found
        return found[0].told() if found else None

    def settled(self, passed: Collection[str]) -> dict[str, Mistake | None]:
        """What is told of each check when all have run: where several mistakes give the same answers, the one that
        explains the most checks, and loses none of those that passed; where that leaves several, all of them. One that
        is only recognised in part must lose none of these at all.

        Args:
            passed: names of checks that did.
        """
        explained = [{mistake for each in found for mistake in each.mistakes} for found in self.found.values()]
        votes = Counter(mistake for mistakes in explained for mistake in mistakes)

        def contradicted(explanation: Explanation) -> int:
            return sum(check in passed for mistake in explanation.mistakes for check in mistake.fails)

        def likelihood(explanation: Explanation) -> tuple[int, int]:
            return -contradicted(explanation), min(votes[mistake] for mistake in explanation.mistakes)

        best = dict[str, list[Explanation]]()
        for check, found in self.found.items():
            left = [each for each in found if not (each.partly and contradicted(each))]
            best[check] = [each for each in left if likelihood(each) == max(map(likelihood, left))]
        alone = {each[0].mistakes[0] for each in best.values() if len(each) == 1 and len(each[0].mistakes) == 1}
        return {check: _told(best[check], alone) for check, found in self.found.items() if found}

    def _explanations(self, failure: "Failure", candidates: list[Mistake], others: list[Mistake]) -> list[Explanation]:
        """The likeliest first: mistakes alone, or else pairs, or else those that give what is wrong first."""
        tried = dict[Mistake, Likeness]()

        def each(left: Callable[[], float]) -> None:
            for mistake in candidates:
                if left() < SECONDS - MORE_SECONDS and any(likeness.whole for likeness in tried.values()):
                    return
                tried[mistake] = failure.likeness(self.runner(mistake))

        within(SECONDS, each)
        alone = [Explanation((mistake,)) for mistake, likeness in tried.items() if likeness.whole]
        likely = [mistake for mistake, likeness in tried.items() if likeness.possible]
        likely.sort(key=lambda mistake: not tried[mistake].shown)  # of two at once the one that the message is about
        shown = [mistake for mistake in likely if tried[mistake].shown]
        least = min((tried[mistake].beyond for mistake in shown), default=0)
        partly = [Explanation((mistake,), partly=True) for mistake in shown if tried[mistake].beyond == least]
        return alone or self._pairs(failure, likely, others) or partly

    def _pairs(self, failure: "Failure", likely: list[Mistake], others: list[Mistake]) -> list[Explanation]:
        """Two of the likely ones, or else one of them and one that alone would not show."""
        found = list[Explanation]()

        def each(pairs: Iterable[tuple[Mistake, ...]], left: Callable[[], float]) -> None:
            for explanation in map(Explanation, pairs):
                try:
                    runner = self.runner(explanation.told())
                except GraderError:  # they change the same words, or do not run together
                    continue
                if failure.likeness(runner).whole:
                    found.append(explanation)

        for pairs in (combinations(likely, 2), product(likely, others)):
            if not found and self._for_pairs > 0:
                seconds = min(PAIR_SECONDS, self._for_pairs)
                self._for_pairs -= within(seconds, partial(each, pairs))
        return found

    def _also(self, failure: "Failure", explanations: list[Explanation]) -> list[Explanation]:
        """Those of some explanations that another failure bears out."""
        left = list[Explanation]()

        def each(_: Callable[[], float]) -> None:
            for explanation in explanations:
                likeness = failure.likeness(self.runner(explanation.told()))
                left.extend([explanation] if likeness.whole or (explanation.partly and likeness.shown) else [])

        within(PAIR_SECONDS, each)
        return left

    def _candidates(self, task: str | None, check: str) -> tuple[list[Mistake], list[Mistake]]:
        """Those that lose the check, first those that were recognised before, then the task's own; and the task's
        others."""
        known = {mistake for found in self.found.values() for each in found[:1] for mistake in each.mistakes}
        asked = [mistake for mistake in self._known() if _concerns(mistake, task, check)]
        asked.sort(key=lambda mistake: (mistake not in known, mistake.task != task))
        others = [mistake for mistake in self._known() if mistake.task == task and mistake not in asked]
        return asked, sorted(others, key=lambda mistake: mistake not in known)

    def runner(self, mistake: Mistake) -> LocalRunner:
        """What answers as the reference with the mistake in it.

        Raises:
            GraderError: it does not run.
        """
        module = self._module(mistake)
        if self.memory is None:
            return LocalRunner(module, self.helpers, self.assignment.parts)
        return Remembered(module, self.helpers, self.assignment.parts, self.memory, mistake.name)

    def prepare(self) -> None:
        """Make modules of all mistakes in advance. What does not run is told when it is needed."""
        for mistake in self._known():
            with suppress(GraderError):
                self._module(mistake)

    def anew(self) -> "Diagnosis":
        """With the same modules and memory, for another submission."""
        return replace(self, found={}, _modules=dict(self._modules), _for_pairs=ALL_PAIRS_SECONDS)

    def _known(self) -> tuple[Mistake, ...]:
        if self._mistakes is None:
            self._mistakes = load_mistakes(self.assignment)
        return self._mistakes

    def _module(self, mistake: Mistake) -> ModuleType:
        if mistake.name not in self._modules:
            texts = mistaken(reference_texts(self.assignment), mistake)
            try:
                module = reference_module(f"mistake_{mistake.name}".replace("-", "_"), self.assignment, texts)
            except Exception as error:
                raise GraderError(
                    f"{self.assignment.name}: the known mistake {mistake.name} does not run: {error}"
                ) from error
            self._modules[mistake.name] = module
        return self._modules[mistake.name]


def _told(likely: list[Explanation], alone: Collection[Mistake]) -> Mistake | None:
    """What is told where several explanations are as likely: what they have in common, or else all of them, if they are
    few. Of two mistakes that are told `alone` of other checks it is the first."""
    if not likely:
        return None
    common = tuple(mistake for mistake in likely[0].mistakes if all(mistake in each.mistakes for each in likely))
    if common:
        return common[0] if all(mistake in alone for mistake in common) else Explanation(common).told()
    mistakes = {each.mistakes[0].hint: each.mistakes[0] for each in likely if len(each.mistakes) == 1}
    if not 0 < len(mistakes) <= MOST:
        return None
    name = EITHER.join(mistake.name for mistake in mistakes.values())
    return replace(next(iter(mistakes.values())), name=name, hint=joined(mistakes))


def joined(hints: Collection[str]) -> str:
    """Several mistakes may give the same answers: then nobody can tell which it is."""
    return next(iter(hints)) if len(hints) == 1 else f"{len(hints)} mistakes give this answer. {' Or: '.join(hints)}"


def _concerns(mistake: Mistake, task: str | None, check: str) -> bool:
    if check:
        return check in mistake.fails or check in mistake.may_fail
    return task is None or mistake.task == task


@dataclass(frozen=True)
class Likeness:
    """How a mistake's answers resemble a student's.

    Attributes:
        possible: something is wrong, and nothing that the student has right.
        whole: besides, all that the student has wrong is wrong in the same way.
        shown: besides, what is wrong first in the last answer, which the message is about, is wrong in the same way.
        beyond: in how many places something is wrong in another way than the student's.
    """

    possible: bool = False
    whole: bool = False
    shown: bool = False
    beyond: int = 0


@dataclass(frozen=True)
class Asked:
    """A request as mistakes are asked it, what came back, what is right, and where these differ."""

    request: Request
    got: Leaves
    right: Leaves
    wrong: dict[Place, None]

    @property
    def first(self) -> Place:
        """Where it is wrong first, what the check's message is about; nowhere where nothing is."""
        return next(iter(self.wrong), NOWHERE)


@dataclass(frozen=True)
class Failure:
    """All that a failed check asked, the last first: most mistakes differ there already."""

    asked: tuple[Asked, ...]
    same: Same

    @classmethod
    def of(cls, student: Door, reference: Door, same: Same) -> "Failure":
        """From what a check asked the student, in its earlier cases too."""
        asked = []
        for request, answer in reversed([*student.earlier, *student.log]):
            got = _leaves(answer, student.source)
            right = _leaves(read_answer(request, reference.runner.answer(request)), reference.source)
            too_much = answer.raised is not None and answer.raised.type == "RecordingError"
            wanted = request if too_much else request.unrecorded()  # recording takes longer than most mistakes do
            asked.append(Asked(wanted, got, right, differing(got, right, same)))
        return cls(tuple(asked), same)

    def likeness(self, runner: LocalRunner) -> Likeness:
        """How what answers resembles the student."""
        telling, whole, shown, beyond, last = False, True, False, 0, self.asked[0]
        for asked in self.asked:
            off = self._off(asked, runner)
            if not off <= asked.wrong.keys() or (asked is last and asked.wrong and not off):
                return Likeness()
            mistaken = _answered(asked, runner) if off else {}
            explained = [path for path in off if self._same_at(path, asked.got, mistaken)]
            if asked is last:
                shown = asked.first in explained and _tells(asked.got.get(asked.first))
            telling, whole = telling or bool(off), whole and len(explained) == len(asked.wrong)
            beyond += len(off) - len(explained)
        return Likeness(telling, telling and whole, shown, beyond)

    def _off(self, asked: Asked, runner: LocalRunner) -> set[Place]:
        """Where a mistake's answer differs from what is right."""
        what = f"differences, {self.same.__name__}"
        found = runner.once(asked.request, what, lambda: [*differing(_answered(asked, runner), asked.right, self.same)])
        return {tuple(path) for path in found}

    def _same_at(self, path: Place, got: Leaves, mistaken: Leaves) -> bool:
        """Whether there is the same at a place in both, or nothing in both."""
        if path not in got or path not in mistaken:
            return path not in got and path not in mistaken
        return self.same(got[path], mistaken[path])


def _answered(asked: Asked, runner: LocalRunner) -> Leaves:
    """By a mistake."""
    answer = read_answer(asked.request, runner.answer(asked.request))
    return _leaves(answer, Path(str(runner.module.__file__)))


def _leaves(answer: Answer, source: Path) -> Leaves:
    """Of an answer, as it is compared: a failed assertion by what it asserts."""
    return leaves(replace(answer, raised=asserted(answer.raised, source)) if answer.raised is not None else answer)


def _tells(leaf: object) -> bool:
    """Whether two mistakes would hardly give this by chance, as they may a truth value or a small number."""
    numbers = list(arrays_in(leaf))
    return isinstance(leaf, float | Raised) or any(as_numpy(item).size > 1 for item in numbers)


def read_answer(request: Request, answer: Answer) -> Answer:
    """Of a network its structure (see `Networks`), of all else what was answered."""
    if request.step != "network" or not answer.ok:
        return answer
    recording = Recording.read(answer.value["recording"])
    found = structure.read(recording, answer.value["held"], request.options["images"])
    return replace(answer, value=found.summary())
