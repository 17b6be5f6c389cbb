"""A sandbox on a line: reads experiments from standard input, runs each in a fresh worker, writes what came of it.

Started as a process of its own, as root or not, so that the warm process is forked before anything else is known.
`python lab.py ROOT WITHOUT...`: ROOT is the project's folder, WITHOUT names protections to switch off: fields of
`Confinement`, or one of `switch_off`. "+processes" lets workers start processes, as an assignment may.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any


def main(root: str, without: list[str]) -> None:
    sys.path.insert(0, root)
    import torch

    from autograder.sandbox.box import fork_zygote
    from autograder.sandbox.confine import Confinement
    from autograder.sandbox.folders import remove_tree, run_folder

    torch.set_num_threads(1)
    folder = run_folder()
    fields = [name for name in without if name in Confinement.__dataclass_fields__]
    for name in set(without) - {*fields, "+processes"}:
        switch_off(name)
    confinement = replace(Confinement.available().without(*fields), processes="+processes" in without)
    sandbox = fork_zygote(folder, confinement)
    print(json.dumps({"confinement": sandbox.confinement.to_dict(), "folder": str(folder)}), flush=True)
    try:
        for number, line in enumerate(sys.stdin):
            print(json.dumps(experiment(sandbox, folder / f"submission-{number}", json.loads(line))), flush=True)
    finally:
        sandbox.close()
        remove_tree(folder)


def switch_off(name: str) -> None:
    """Take out a protection that has no switch, in this process, before anything is forked from it."""
    from autograder.sandbox import box, confine, linux, wire

    prctl = linux.prctl

    def without(option: int) -> None:
        setattr(linux, "prctl", lambda asked, value: None if asked == option else prctl(asked, value))  # noqa: B010

    {
        "limits": lambda: setattr(confine, "_limits", lambda *args, **kwargs: None),
        "dumpable": lambda: without(linux.PR_SET_DUMPABLE),
        "death signal": lambda: without(linux.PR_SET_PDEATHSIG),
        "descriptors": lambda: setattr(os, "closerange", lambda low, high: None),
        "watch": lambda: setattr(box.Worker, "watch", lambda self: None),
        "output cap": lambda: setattr(box, "OUTPUT_CAP", 1 << 30),
        "header cap": lambda: setattr(wire, "MAX_HEADER", 1 << 40),
        "number of parts": lambda: setattr(wire, "MAX_NODES", 1 << 40),
        "umask": lambda: setattr(os, "umask", lambda mask: 0),
    }[name]()


def experiment(sandbox: Any, folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """Import a source, call its functions one after another in the same worker."""
    from autograder.sandbox.limits import Limits, WorkerLost
    from autograder.sandbox.request import Request
    from autograder.sandbox.worker import Sources

    folder.mkdir(mode=0o755)
    path = folder / "attack.py"
    path.write_text(wanted["source"])
    path.chmod(0o644)
    limits = Limits(wanted.get("seconds", 5.0), wanted.get("memory_mb", 256))
    replies: list[Any] = []
    with sandbox.worker(Sources("attack", path), limits) as worker:
        facts = {"pid": worker.pid, "uid": worker.uid, "cell": str(worker.folder)}
        try:
            for call in ["import", *wanted["calls"]]:
                request = {"import": None} if call == "import" else Request("call", call[0], tuple(call[1:]))
                reply = worker.request(request)
                if call != "import" or "error" in reply:
                    replies.append(plain(reply))
                if call == "import" and "error" in reply:
                    break
            if wanted.get("oom"):
                facts["oom"] = Path(f"/proc/{worker.pid}/oom_score_adj").read_text().strip()
        except WorkerLost as lost:
            replies.append({"lost": lost.kind, "message": str(lost)})
    return {"replies": replies, "output": worker.output.decode(errors="replace"), **facts}


def plain(value: Any) -> Any:
    """As JSON can say it."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
