"""Record docs/student-session.md: `python docs/student_session.py` (minutes). A student's whole way through one
assignment, from the archive to the packed submission: what is written between the commands stands here, what the
commands say is recorded.
"""

import ast
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from autograder.assignment import load_assignment  # noqa: E402
from autograder.release import bundles, with_hints, write_bundles  # noqa: E402
from autograder.starter import solved_source, stub_source  # noqa: E402

PAGE = ROOT / "docs" / "student-session.md"
LEFT_OUT = "…"
HEAD = f"""\
# A student's session

From the archive to the packed submission, wrong turns included. Recorded by `docs/student_session.py`: every command
was run, in the folder that the archive unpacks to. Between the commands stands what the student wrote. Where an output
begins with “{LEFT_OUT}”, the recording leaves out what stood before.
"""
CONV = load_assignment("conv", ROOT)
PARTS = tuple(CONV.public_names)
TURNED = ('"ijmn,mn->ij", windows, k)', '"ijmn,mn->ij", windows, k[::-1, ::-1])')
MEAN = ("dout.sum(axis=(0, 2, 3))", "dout.mean(axis=(0, 2, 3))")
WITH_TORCH = """
    image, kernels = torch.from_numpy(x), torch.from_numpy(w)
    out = F.conv2d(image, kernels, None if b is None else torch.from_numpy(b), stride=stride, padding=padding)
    return out.numpy(), (x, w, b, stride, padding)
"""
ENDLESS = """
    (kh, kw), (sh, sw) = as_pair(kernel), as_pair(kernel if stride is None else stride)
    height, rows, i = x.shape[2], [], 0
    while i <= height:
        rows.append(x[:, :, i : i + kh])
    return np.stack(rows), None
"""
LOOP = """
    (sh, sw), (ph, pw) = as_pair(stride), as_pair(padding)
    out = []
    for image in F.pad(x, (pw, pw, ph, ph)):
        windows = image.unfold(1, w.shape[2], sh).unfold(2, w.shape[3], sw)
        out.append(torch.einsum("cijmn,ocmn->oij", windows, w) + (0 if b is None else b[:, None, None]))
    return torch.stack(out)
"""
WATCHED = ("max_pool2d", "avg_pool2d", "softmax_cross_entropy")


def definitions(source: str) -> dict[str, str]:
    """The functions of a module, by name."""
    found = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return {node.name: ast.get_source_segment(source, node) or "" for node in found}


def written(names: Sequence[str], bodies: dict[str, str] | None = None, quiz: bool = False) -> str:
    """The student's file: these functions as in the reference, with these bodies instead, the rest as in the stub."""
    made, solved, helpers = stub_source(CONV), solved_source(CONV), ""
    right, given = definitions(solved), definitions(made)
    for name, whole in right.items():  # a helper goes with the function that follows it
        if name not in given:
            helpers += f"{whole}\n\n\n"
        elif name in names:
            made, helpers = made.replace(given[name], f"{helpers}{whole}"), ""
    for name, body in (bodies or {}).items():
        whole = definitions(made)[name]
        made = made.replace(whole, whole[: whole.index('"""', whole.index('"""') + 3) + 3] + body.rstrip("\n"))
    if quiz:
        answers = ast.parse(solved).body
        lines = next(ast.get_source_segment(solved, node) for node in answers if _is_quiz(node))
        made = made[: made.index("QUIZ = {")] + f"{lines}\n" + made[made.index("}\n", made.index("QUIZ = {")) + 2 :]
    return made


def _is_quiz(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "QUIZ"


class Session:
    """A terminal in the student's folder, and the page that tells of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.page = folder, [HEAD]
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.own = kept | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "HOME": str(folder)}

    def say(self, *paragraphs: str) -> None:
        """Text between commands; one that begins with ## is a heading."""
        self.page += [f"{paragraph}\n" for paragraph in paragraphs]

    def write(self, source: str, *slips: tuple[str, str]) -> None:
        """Save conv.py, with these slips in it."""
        for right, wrong in slips:
            assert source.count(right) == 1, right
            source = source.replace(right, wrong)
        (self.home / "conv.py").write_text(source, encoding="utf-8")

    @property
    def home(self) -> Path:
        """The unpacked folder."""
        return self.folder / "conv"

    def run(self, line: str, first: str = "", code: int | None = None, shown: str = "") -> str:
        """Run a line; what stands before the first line that has `first` in it is left out.

        Args:
            line: as written on the page.
            first: where the output begins to be of interest.
            code: the exit code to show, which it must have.
            shown: the line on the page, where it is another one.
        """
        started = self._started(line)
        output = started.communicate()[0]
        assert code is None or started.returncode == code, output
        lines = output.rstrip().splitlines()
        if first:
            lines = [LEFT_OUT, *lines[next(at for at, text in enumerate(lines) if first in text) :]]
        told = ["$ echo $?", str(code)] if code is not None else []
        self._block([f"$ {shown or line}", *lines, *told])
        return output

    def interrupted(self, line: str, after: str) -> None:
        """Run a line and press Ctrl-C two seconds after it said this."""
        started = self._started(line)
        told = self._until(started, after)
        time.sleep(2)
        started.send_signal(signal.SIGINT)
        said = started.communicate()[0].strip("\n")
        self._block([f"$ {line}", *told, "", f"^C\n{said}", "$ echo $?", str(started.returncode)])

    def watched(self, line: str, saves: Iterable[str]) -> list[float]:
        """Run a line that watches, and save these sources while it does; returns the seconds to each verdict."""
        started = self._started(line)
        told, seconds = self._until(started, "Waiting"), []
        for source in saves:
            time.sleep(1)
            before = time.perf_counter()
            self.write(source)
            told += self._until(started, "Waiting")
            seconds.append(time.perf_counter() - before)
        started.send_signal(signal.SIGINT)
        started.communicate()
        self._block([f"$ {line}", *told])
        return seconds

    def _started(self, line: str) -> subprocess.Popen[str]:
        command = line.replace("python ", f"{shlex.quote(sys.executable)} -u ", 1)
        command = command.replace("deepgrade ", f"{shlex.quote(sys.executable)} -m autograder ", 1)
        own = self.own | ({"PYTHONPATH": str(ROOT)} if line.startswith("deepgrade") else {})
        here = self.home if self.home.exists() else self.folder
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        shell = ["/bin/sh", "-c", command if "&&" in line or "|" in line else f"exec {command}"]
        return subprocess.Popen(shell, cwd=here, env=own, text=True, **both)  # type: ignore[call-overload, no-any-return]

    def _until(self, started: "subprocess.Popen[str]", words: str) -> list[str]:
        """The lines up to the one that has these words in it."""
        assert started.stdout is not None
        lines = [""]
        while words not in lines[-1]:
            line = started.stdout.readline()
            assert line, lines
            lines.append(line.rstrip("\n"))
        return lines[1:]

    def _block(self, lines: Iterable[str]) -> None:
        self.page.append("\n".join(["```", *(line.rstrip() for line in lines), "```", ""]))


def starts(s: Session) -> None:
    """From the archive to the first function."""
    s.say("## Unpacked")
    unpack = "unzip -q conv-starter.zip && cd conv && ls"
    s.run(f"{unpack} -C -w 120 -T 0", shown=unpack)
    s.run("python check.py")
    s.say("## One task, and a well-known slip", "`corr2d` is written; the kernel is turned, as mathematicians do.")
    s.write(written(["corr2d"]), TURNED)
    s.run("python check.py corr2", code=2)
    s.run("python check.py corr2d")
    s.say("The slice is taken out.")
    s.write(written(["corr2d"]))
    s.run("python check.py corr2d")


def convolves(s: Session) -> None:
    """A layer and its way back."""
    s.say("## With torch, where NumPy is asked for")
    s.write(written(["corr2d"], {"conv2d_forward": WITH_TORCH}))
    s.run("python check.py 2.1")
    s.say("## The backward pass", "Written in NumPy now, but the gradient of the bias is a mean.")
    s.write(written(PARTS[:3]), MEAN)
    s.run("python check.py conv2d")
    s.say("On shapes of the student's own, against differences:")
    s.run("python check.py --gradients conv2d --shapes 2x3x5x4,4x3x2x2,4 --with stride=2 'padding=(1,0)'")
    s.say("It is a sum.")
    s.write(written(PARTS[:3]))
    s.run("python check.py conv2d")


def pools(s: Session) -> None:
    """A loop without an end, and saving while it is watched."""
    s.say("## A loop that does not end", "`while i <= height:`, and `i` never grows.")
    s.write(written(PARTS[:3], {"max_pool2d_forward": ENDLESS, "max_pool2d_backward": "\n    return dout\n"}))
    s.run("python check.py max_pool2d")
    s.say("Sooner, with Ctrl-C:")
    s.interrupted("python check.py max_pool2d", "max_pool2d: Max pooling")
    line = f"python check.py --watch {' '.join(WATCHED)}"
    s.say("## Saving with `--watch`", f"Pooling is mended while `{line}` runs in another window.")
    s.write(written(PARTS[:5]))
    seconds = s.watched(line, (written(PARTS[:7]), written(PARTS[:8])))
    s.say(f"From the save to the verdict: {', '.join(f'{each:.2f} s' for each in seconds)}.")


def hurries(s: Session) -> None:
    """A fast task."""
    s.say("## Too many operations", "`conv2d_fast` loops over the images.")
    s.write(written(PARTS, {"conv2d_fast": LOOP}))
    s.run("python check.py --speed")
    s.say("On one stack of windows instead:")
    s.write(written(PARTS))
    s.run("python check.py --speed")


def hands_in(s: Session) -> None:
    """Packed, and graded."""
    s.say("## Handing in", "The quiz was forgotten.")
    s.run("python submit.py", first="✓ 9.1")
    s.say("With the quiz answered:")
    s.write(written(PARTS, quiz=True))
    s.run("python submit.py", first="✓ 9.1")
    s.run("unzip -l conv-submission.zip | tail -n +4 | head -n 1")
    s.say("What the course's grader says of that zip:")
    graded = f"deepgrade grade conv {s.home / 'conv-submission.zip'} --out {s.folder / 'out'} --course {ROOT}"
    output = s.run(graded, first=" of 100 points  ", shown="deepgrade grade conv conv-submission.zip")
    assert " failed" not in output, output


def whole(s: Session) -> None:
    """All of it."""
    for part in (starts, convolves, pools, hurries, hands_in):
        part(s)


def main() -> None:
    """Record the page."""
    with tempfile.TemporaryDirectory(prefix="deepgrade-session-") as folder:
        write_bundles(with_hints(CONV, bundles(CONV))[:1], Path(folder))
        session = Session(Path(folder))
        whole(session)
        PAGE.write_text("\n".join(session.page).replace(f"{folder}/", ""), encoding="utf-8")


if __name__ == "__main__":
    main()
