"""Never returns, with every signal ignored or blocked."""
import signal

ASKED = ("test_corr2d_lecture_example",)


def corr2d(x, k):
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
