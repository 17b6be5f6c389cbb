"""A sandbox on a line: reads experiments from standard input, runs each in a fresh worker, writes what came of it.

Started as a process of its own, as root or not, so that the warm process is forked before anything else is known.
`python lab.py ROOT WITHOUT...`: ROOT is the project's folder, WITHOUT names protections to switch off.
"""

import json
import sys
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
    sandbox = fork_zygote(folder, Confinement.available().without(*without))
    print(json.dumps({"confinement": sandbox.confinement.to_dict(), "folder": str(folder)}), flush=True)
    try:
        for number, line in enumerate(sys.stdin):
            print(json.dumps(experiment(sandbox, folder / f"submission-{number}", json.loads(line))), flush=True)
    finally:
        sandbox.close()
        remove_tree(folder)


def experiment(sandbox: Any, folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """Import a source, call its functions one after another in the same worker."""
    from autograder.sandbox.limits import Limits, WorkerLost
    from autograder.sandbox.steps import Request
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
                request = {"import": None} if call == "import" else Request("call", call[0], tuple(call[1:])).to_wire()
                reply = worker.request(request)
                if call != "import" or "error" in reply:
                    replies.append(plain(reply))
                if call == "import" and "error" in reply:
                    break
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
