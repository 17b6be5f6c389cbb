"""Packs your work for handing in: `python submit.py` runs the checks, says what is missing, and writes a zip."""

import sys

sys.dont_write_bytecode = True
import check

if __name__ == "__main__":
    sys.exit(check.main("submit"))
