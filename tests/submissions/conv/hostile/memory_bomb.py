"""Takes memory until there is none, at import: private, shared, and mapped."""
import mmap

kept = []
try:
    while True:
        kept.append(bytearray(b"x") * (16 << 20))
except MemoryError:
    pass
while True:
    shared = mmap.mmap(-1, 64 << 20)
    for page in range(0, 64 << 20, 4096):
        shared[page] = 1
    kept.append(shared)
