"""An answer is bounded by what the submission may use, takes memory only as it arrives, and is not copied."""

import struct
from typing import Any

import numpy as np
import pytest
import torch

from autograder.sandbox import wire
from tests.sandbox.conftest import Lab

BIG = "import numpy\ndef big(mb):\n    return numpy.zeros(mb << 20, 'u1').nbytes and numpy.zeros(mb << 20, 'u1')\n"


def test_an_answer_of_a_quarter_of_the_memory_arrives_and_a_larger_one_is_explained(lab: Lab) -> None:
    assert "value" in lab.run(BIG, ["big", 64], memory_mb=256)["replies"][-1]
    error = lab.run(BIG, ["big", 65], memory_mb=256)["replies"][-1]["error"]
    assert error["type"] == "ContractError"
    assert "too large to send (65 MiB of arrays; 64 are allowed)" in error["message"]


def test_a_forged_size_beyond_that_is_refused_before_anything_is_read(lab: Lab) -> None:
    prefix = struct.pack("<4sIQ", wire.MAGIC, 2, (64 << 20) + 1)
    source = f"import os, time\ndef attack():\n    os.write(4, {prefix!r})\n    time.sleep(60)\n"
    assert lab.run(source, "attack", memory_mb=256, seconds=2.0)["replies"][-1]["lost"] == "garbled"


VALUES = {
    "an array": (np.arange(6.0).reshape(2, 3), True),
    "a tensor": (torch.arange(4), True),
    "truth values": (np.array([True, False]), True),
    "two arrays": ([np.zeros(4), np.ones(4)], True),
    "one that is not aligned": ([np.zeros(3, "u1"), np.ones(4)], False),
}


@pytest.mark.parametrize(("value", "within"), VALUES.values(), ids=VALUES)
def test_arrays_lie_in_the_payload_where_they_are_aligned(value: Any, within: bool) -> None:
    _, header, *parts = wire.encode(value)
    payload = bytearray(b"".join(parts))
    for own in (False, True):
        found = list(wire.arrays_in(wire.decode(bytes(header), payload, own=own)))
        for got, sent in zip(found, wire.arrays_in(value), strict=True):
            np.testing.assert_array_equal(np.asarray(got), np.asarray(sent))
        shared = [np.shares_memory(np.asarray(got), np.frombuffer(payload, "u1")) for got in found]
        assert shared[-1] == (within and not own)


def test_arrays_of_one_payload_share_nothing_with_each_other() -> None:
    _, header, *parts = wire.encode([np.zeros(4), np.zeros(4)])
    first, second = wire.decode(bytes(header), bytearray(b"".join(parts)), own=False)
    first[:] = 1
    assert not second.any()


def test_bytes_that_are_no_truth_values_become_some() -> None:
    header = b'{"$":"array","d":"|b1","s":[3]}'
    found = wire.decode(header, bytearray(b"\x00\x02\xff"), own=False)
    assert found.view("u1").tolist() == [0, 1, 1]
