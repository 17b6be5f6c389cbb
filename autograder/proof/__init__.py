"""Proof, not report: what an answer cost, established where the submission never ran.

A worker's recording (`autograder.sandbox.recorder`) is a claim: a list of operations that is said to compute the
answer. `recording` reads it and refuses whatever is not plain and allowed, `replay` runs it on inputs that were drawn
after it arrived and counts what it itself executed, `replayer` is the confined process in which that happens, `prover`
the grader's handle on it, `turns` lets two recordings race, `structure` compares networks by what flows through them.
Who forges a recording has to forge one that computes the right thing within the limits, without a forbidden operation:
that is the homework.
"""

from autograder.proof.prover import Proof, Prover
from autograder.proof.recording import Recording, RecordingRefused
from autograder.proof.replay import Replay

__all__ = ["Proof", "Prover", "Recording", "RecordingRefused", "Replay"]
