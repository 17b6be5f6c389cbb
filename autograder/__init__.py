"""Deepgrade: autograded homework for deep-learning courses.

The rooms, in the order in which data passes them: `assignment` (facts), `starter` (stub and notebook), `submission`
(intake), `sandbox` (where student code runs), `checks` (what is asked and how answers are judged), `plugin` (pytest),
`grader`, `launcher`, `engine` (the processes), `grading` (one submission, from path to results), `results` and
`report`, `gradescope`, `release`, `audit`, `cli`. Imports point from later to earlier, never back.
"""

__version__ = "0.1.0"
