"""Exceptions whose names and messages are megabytes of escapes, HTML, lone surrogates, NUL, bidirectional marks."""
EVIL = "\x1b[2J\x1b]0;owned\x07\x00\ud800\udfff</script><img src=x onerror=alert(1)>\u202e\u2066 ]]> {{7*7}} %s\r"
Named = type("<b>" + EVIL.replace("\0", "").encode("utf-8", "replace").decode() * 1000, (Exception,), {})
CALLS = []


class Silent(Exception):
    def __str__(self):
        raise SystemExit(0)

    __repr__ = __str__


QUIZ = {"q1": EVIL * 10_000, "q2": EVIL, "q3": "\ud800", "q4": "\0", "q5": "c" * 10_000_000}


def corr2d(x, k):
    CALLS.append(1)
    raise (Named(EVIL * 100_000), Silent(), Named(), ExceptionGroup(EVIL, [Named(EVIL)]))[len(CALLS) % 4]
