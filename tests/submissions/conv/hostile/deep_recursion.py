"""Recursion without end: with the limit raised to a million, in Python, in repr, in a value that contains itself."""
import sys

sys.setrecursionlimit(10**6)
QUIZ = {}
QUIZ["q1"] = QUIZ
CALLS = []


def corr2d(x, k):
    CALLS.append(1)
    if len(CALLS) == 2:
        nested = []
        for _ in range(100_000):
            nested = [nested]
        return nested
    if len(CALLS) == 3:
        endless = []
        endless.append(endless)
        return endless
    return corr2d(x, k)
