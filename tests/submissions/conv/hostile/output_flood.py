"""Floods its output with megabytes, terminal control sequences, HTML and workflow commands, from several threads."""
import os
import threading

import numpy as np

EARNS = {"corr2d"}
EVIL = b"\x1b[2J\x1b]0;owned\x07\x00\xff\xfe<script>alert(1)</script>\n::set-output name=score::100\n\r\x9b" * 500


def flood():
    while True:
        os.write(1, EVIL)
        os.write(2, EVIL)


for _ in range(6):
    threading.Thread(target=flood, daemon=True).start()


def corr2d(x, k):
    windows = np.lib.stride_tricks.sliding_window_view(x, k.shape)
    return (windows * k).sum(axis=(2, 3))
