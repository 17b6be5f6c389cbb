"""What the quiz's check is given: the questions, and who handed the answers in."""

import pytest

from autograder.suite.world import World


class Quiz:
    """A plugin of pytest."""

    def __init__(self, world: World) -> None:
        self.world = world

    @pytest.fixture
    def handed_in_by(self) -> tuple[str, ...]:
        """What they are known by; empty where nobody knows."""
        return self.world.students

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One check a question."""
        if "quiz_question" in metafunc.fixturenames:
            ids = [question.id for question in self.world.assignment.quiz]
            metafunc.parametrize("quiz_question", self.world.assignment.quiz, ids=ids)
