"""What ships: bundles for students, for Gradescope and for staff; the platform's side of them; an assignment to start
with."""

from autograder.release._bundles import Bundle, bundles, write_bundles

__all__ = ["Bundle", "bundles", "write_bundles"]
