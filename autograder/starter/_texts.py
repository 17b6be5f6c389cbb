"""The texts that go to students with every assignment; `{name}` is the deliverable, `{title}` the assignment."""

CHECK_CELLS = (
    (
        "markdown",
        "## Check your work\n\n"
        "Save the notebook, then run this cell. It runs the public checks on what is saved. Hidden ones run when you "
        "hand in.",
    ),
    ("code", "!python check.py {name}.ipynb"),
)

README = """\
# {title}

| | |
|---|---|
| `handout.md` | what to do, and what it is worth |
| `{name}.py`, `{name}.ipynb` | where you write: choose one of the two |
| `check.py` | runs the public checks on your work |
| `public/` | these checks; read them |

## Work

Fill in `{name}.py` or `{name}.ipynb`, whichever you like better. Each place to fill in raises `NotImplementedError`
with the name of its task until you do. Leave the names, the arguments and their order as they are; helpers of your own
are welcome.

You need Python 3.11 or newer with NumPy, SciPy, PyTorch and pytest; for the notebook also Jupyter, and for the
experiment that closes it Matplotlib and tqdm.

## Check

    python check.py                 # {name}.py or {name}.ipynb, whichever has more done
    python check.py {name}.ipynb    # this file
    python check.py -k corr2d       # only the checks with corr2d in their names

The public checks are part of the grade. The hidden ones look at the same functions with other sizes, and at their
gradients.

## Hand in

Hand in `{name}.py` **or** `{name}.ipynb` under that name, alone or in a folder or zip. Only that one file is
read. If you hand in both, the one in which more is written is graded, and the results say which. Of a notebook, the
functions and classes that the handout names are taken, with the imports, helpers and constants that they use; training
loops, plots and `%` or `!` lines are left out.
"""

CHECK = '''\
"""Runs the public checks on your work: `python check.py`, or `python check.py {name}.ipynb`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUNDLE = HERE / "deepgrade.pyz"


def main() -> int:
    """Hand over to the checker, from where it is installed or else from the bundle beside this file."""
    if sys.version_info < (3, 11):
        print(f"check.py needs Python 3.11 or newer; this is {{sys.version.split()[0]}}", file=sys.stderr)
        return 2
    try:
        import autograder.local
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "autograder":
            raise
        if not BUNDLE.exists():
            print(f"check.py needs {{BUNDLE.name}} beside it, from the archive that you were given", file=sys.stderr)
            return 2
        sys.modules.pop("autograder", None)
        sys.path.insert(0, str(BUNDLE))
        import autograder.local
    return autograder.local.main(HERE, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
'''
