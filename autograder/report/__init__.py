"""Results for people: a table on the terminal for who grades, a page for who is graded. Reads `results` only."""

from autograder.report.page import page, write_report

__all__ = ["page", "write_report"]
