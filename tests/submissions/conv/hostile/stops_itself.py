"""Stops itself at import, so that a grader would wait for ever."""
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
