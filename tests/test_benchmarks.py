"""Each benchmark runs from end to end, once and small: what it measures is not looked at, that it measures is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import ALL
from benchmarks.phased import PHASES
from benchmarks.usage import measured

ROOT = Path(__file__).parents[1]
NUMBER = r"[\d,.]+"
ROWS = {  # of the table, as patterns
    "classes": [
        rf"mini +\| {how} +\| +1 \| +{NUMBER} \| +{NUMBER} \| +{NUMBER}"
        for how in (
            "class, 2 at a time",
            "grade, one by one",
            "class, comparable checks",
            "unprotected, one process",
        )
    ]
    + [rf"times that of one by one: {NUMBER}\n", rf"times unprotected: {NUMBER}\n"],
    "cost": [
        r"test_spmm_cost +\| 1 of 1 pass +\| +(\d+) of \1 pass +\| 0 of 1 pass",
        rf"operations +\| +{NUMBER} \| +{NUMBER} \(\w+\)",
        rf"times the reference +\| +{NUMBER} ",
    ],
    "grading": [rf"gcn +\| {role} +\| +{NUMBER} \| +{NUMBER} \| +{NUMBER}" for role in ("reference", "stub")],
    "isolation": [
        rf"mini +\| {start} +(\| +-?{NUMBER}, -?{NUMBER} \(-?{NUMBER}\) ){{3}}" for start in ("cold", "warm")
    ],
    "library": [rf"gcn.spmm +\|.* {NUMBER} ms \| +{NUMBER} ms \| +{NUMBER}"],
    "mistakes": [
        rf"gcn +\| {wrong} +\| +[01] of [01]( \(\d+%\))? \| +[01] of [01]( \(\d+%\))? \| +[01]"
        for wrong in ("one mistake", "two, of two tasks", "two, in one task")
    ],
    "phases": [rf"{process} +\| {phase} +\| +{NUMBER} " for phase, process in PHASES.items() if process]
    + [rf"all +\| +\| +{NUMBER} "],
    "pools": [rf"(threads|Parsl, \w+) +\| +{NUMBER} \| +{NUMBER} \| +{NUMBER}"],
    "store": [rf"{command} +\| +{NUMBER} \| +{NUMBER} \| +{NUMBER}" for command in ("report", "gradebook", "replay")],
    "race": [r"2 target = limit +\| +4 ", r"1.5 limit +\| +6 "],
}


SMALL = ("classes", "isolation", "phases", "store")  # grade whole assignments, some twenty times: a small one will do


@pytest.mark.parametrize("name", [name for name in ALL if name != "notebooks"])  # test_notebooks.py has that
def test_a_benchmark_prints_its_table(name: str) -> None:
    folder, assignment = (ROOT / "tests" / "course", "mini") if name in SMALL else (ROOT, "gcn")
    command = [sys.executable, "-m", "benchmarks", name, assignment]
    environment = os.environ | {"REPETITIONS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [row for row in ROWS[name] if not re.search(row, done.stdout)] == [], done.stdout
    assert "WRONG" not in done.stdout


@pytest.mark.parametrize("option", ["--size", "--seed"])
def test_an_option_that_is_no_number_is_told(option: str) -> None:
    command = [sys.executable, "-m", "benchmarks", "grading", option, "many"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert f"{option} takes a number" in done.stderr


def test_a_benchmark_that_is_not_there_is_told() -> None:
    command = [sys.executable, "-m", "benchmarks", "speed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "there is no benchmark 'speed'" in done.stderr


BUSY = """import os, signal, time


def busy():
    while time.process_time() < 0.5:
        pass
    time.sleep(0.2)
    os._exit(0)


"""
COUNTED = {
    "waited for by its parent": "os.fork() or busy()\nos.wait()",
    "of a parent that ignores its end": (
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\npid = os.fork() or busy()\n"
        "while os.path.exists(f'/proc/{pid}'): time.sleep(0.01)"
    ),
    "left behind": "os.fork() or busy()",
}


@pytest.mark.parametrize("source", COUNTED.values(), ids=COUNTED)
def test_the_work_of_a_process_is_counted_once_whoever_waits_for_it(source: str) -> None:
    assert 0.4 < measured([sys.executable, "-c", BUSY + source], ROOT).cpu < 0.9


def test_a_command_that_fails_is_no_measurement() -> None:
    with pytest.raises(SystemExit, match="ended with 3"):
        measured([sys.executable, "-c", "raise SystemExit(3)"], ROOT)
