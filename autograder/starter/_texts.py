"""The texts that go to students with every assignment; `{name}` is the deliverable, `{title}` the
assignment, `{task}` its first task, `{given}` a line of the table where something is given, `{figures}` where pictures
lie."""

CHECK_CELLS = (
    (
        "markdown",
        "## Check your work\n\n"
        "Save the notebook, then run this cell. It runs the public checks on what is saved. Hidden ones run when you "
        "hand in.",
    ),
    ("code", 'import sys\n\n!"{{sys.executable}}" check.py {name}.ipynb'),
)
TASK_CELL = '# Save the notebook, then run this cell.\nimport sys\n\n!"{{sys.executable}}" check.py {name}.ipynb {task}'

COLAB_BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{place}/{name}/{deliverable}.ipynb)\n\n"
)
COLAB_TEXT = """\
**On Colab** run the next cell first, after every start of the machine: it fetches the files that lie beside this
notebook. Keep a copy of your own (*File*, *Save a copy in Drive*). The cells that check take the notebook as it stands
on your screen. To hand in: *File*, *Download*, *.ipynb*.

No task needs a GPU. To try a `_fast` function on one: *Runtime*, *Change runtime type*; `x.cuda()` is a tensor there,
and your function keeps the device that it is given.
"""
COLAB_CELL = '''\
# On Colab: fetches what lies beside this notebook, and installs what is missing there. Elsewhere it does nothing.
import sys

if "google.colab" in sys.modules:
    import io
    import json
    import os
    import re
    import subprocess
    import urllib.request
    import zipfile

    from google.colab import _message

    os.chdir("/content")
    with urllib.request.urlopen("{archive}") as reply:
        zipfile.ZipFile(io.BytesIO(reply.read())).extractall()
    os.chdir("{name}")
    with open("requirements.txt") as file:
        needed = [re.split("[<>=!~;]", line)[0].strip() for line in file if not line.startswith("jupyter")]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *needed], check=True)

    def save(cell):
        """Write the notebook of the screen where check.py reads it, before a cell that runs that."""
        if "check.py" in cell.raw_cell or "submit.py" in cell.raw_cell:
            shown = _message.blocking_request("get_ipynb", timeout_sec=60)["ipynb"]
            with open("{deliverable}.ipynb", "w", encoding="utf-8") as file:
                json.dump(shown, file)

    get_ipython().events.register("pre_run_cell", save)'''

GIVEN_LINE = "| {files} | given: yours to use, not to change; your work is graded with the originals |\n"

PACKAGES_LINE = (
    "\n\nThis assignment has packages of its own, which are there where your work is graded, too: {packages}.\n"
    "`pip install -r requirements.txt` installs all that is needed."
)

README = """\
# {title}

| | |
|---|---|
| `handout.md` | what to do, and what it is worth{figures} |
| `{name}.py`, `{name}.ipynb` | where you write: choose one of the two |
| `check.py` | runs the public checks on your work |
| `public/` | these checks; read them |
{given}| `submit.py` | packs your work for handing in |
| `student-guide.md` | all of this at length, and what to do when something goes wrong |

## Work

Fill in `{name}.py` or `{name}.ipynb`, whichever you like better. Each place to fill in raises `NotImplementedError`
with the name of its task until you do. Leave the names, the arguments and their order as they are; helpers of your own
are welcome.

You need Python 3.11 or newer with NumPy, SciPy, PyTorch and pytest; for the notebook also Jupyter, and for the
experiment that closes it Matplotlib and tqdm.{packages}

## Check

    python check.py                 # {name}.py or {name}.ipynb, whichever has more done
    python check.py {task}          # one task; a function or the number of a check will do, too
    python check.py --help          # what else it can do

The public checks are part of the grade. The hidden ones look at the same functions with other sizes, and at their
gradients. `python check.py` says how many points they add to each task.

## Hand in

    python submit.py                # checks once more, says what is missing, and writes the zip to upload

By hand will do, too: `{name}.py` **or** `{name}.ipynb` under that name, alone or in a folder or zip. Only that one file
is read. If you hand in both, the one in which more is written is graded, and the results say which. Of a notebook, the
functions and classes that the handout names are taken, with the imports, helpers and constants that they use; training
loops, plots and `%` or `!` lines are left out.
"""

CHECK = '''\
"""Runs the public checks on your work: `python check.py`. `python check.py --help` says what else it can do."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BUNDLE = os.path.join(HERE, "deepgrade.pyz")


def main(command="check"):
    """Hand over to the checker in the bundle beside this file, or else to one that is installed."""
    if sys.version_info < (3, 11):
        sys.stderr.write("Python 3.11 or newer is needed; this is %s\\n" % sys.version.split()[0])
        return 3
    if os.path.exists(BUNDLE):
        sys.path.insert(0, BUNDLE)
    try:
        import autograder.local
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "autograder":
            raise
        sys.stderr.write("deepgrade.pyz must lie beside check.py; it is in the archive that you were given\\n")
        return 3
    return autograder.local.main(HERE, sys.argv[1:], command)


if __name__ == "__main__":
    sys.exit(main())
'''

SUBMIT = '''\
"""Packs your work for handing in: `python submit.py` runs the checks, says what is missing, and writes a zip."""

import sys

sys.dont_write_bytecode = True
import check

if __name__ == "__main__":
    sys.exit(check.main("submit"))
'''
