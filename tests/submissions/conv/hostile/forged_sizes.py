"""Replies of 2**63 bytes, of a header that is not JSON, of nesting without end, of an unknown dtype; then truncated."""
import os
import struct

FRAMES = [
    struct.pack("<4sIQ", b"DGw1", 2**32 - 1, 2**63),
    struct.pack("<4sIQ", b"DGw1", 200_000, 0) + b"[" * 200_000,
    struct.pack("<4sIQ", b"DGw1", 30, 0) + b'{"$":"array","d":"|O","s":[1]}',
    struct.pack("<4sIQ", b"DGw1", 4, 0) + b"1e99",
    b"\x80\x04cos\nsystem\n(S'true'\ntR.",
]
QUIZ = {}


def corr2d(x, k):
    frame = FRAMES[(x.shape[0] + k.shape[0]) % len(FRAMES)]
    while frame:
        frame = frame[os.write(4, frame) :]
    os._exit(0)
