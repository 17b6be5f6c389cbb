"""What ships: bundles for students, for Gradescope and for staff, tried out before they do; the platform's side of
them; a course and an assignment to start with."""

from autograder.release._bundles import Bundle, bundles, with_hints, with_outputs, write_bundles
from autograder.release._proof import prove

__all__ = ["Bundle", "bundles", "prove", "with_hints", "with_outputs", "write_bundles"]
