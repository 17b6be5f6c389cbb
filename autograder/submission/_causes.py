"""What a file is that is not what its name says: the usual causes, each with what to do."""

import re

HEAD = 512  # bytes that show what a file is
MARKS = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)


def cause(data: bytes, *, is_module: bool = False) -> tuple[str, str] | None:
    """What is wrong with bytes that should be a notebook or a module, and what to do; None where nothing shows."""
    head = data[:HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not data.strip():
        return "it is empty", "Save your work, and look at the file's size before you hand it in."
    if head.startswith(b"version https://git-lfs"):
        return (
            "it is a pointer of Git LFS, not the file itself",
            "Run `git lfs pull`, then hand in the file that is there.",
        )
    if head.startswith((b"<!doctype html", b"<html", b"<head")):
        return (
            "it is a web page",
            "Download the file itself: on GitHub by “Raw” or “Download raw file”, in Jupyter by File, Download.",
        )
    if head.startswith(b"%pdf"):
        return "it is a PDF", "Hand in the notebook or the module, not a print of it."
    if head.startswith(b"pk\3\4"):
        return "it is a zip", "Give it a name that ends in .zip, or hand in the file in it."
    if head.startswith(b"{\\rtf"):
        return "it is rich text", "Save it as plain text, in an editor for code."
    if is_module:
        return None  # what does not parse in it costs no more than that
    if MARKS.search(data):
        return (
            "it holds the marks of a merge that was not finished (<<<<<<<, >>>>>>>)",
            "Finish the merge (`git checkout --ours FILE` keeps your version), open it, and hand it in again.",
        )
    if head.startswith(b"{") and not data.rstrip().endswith(b"}"):
        return "it ends in the middle", "Saving or uploading it was cut short: save it again, and hand that in."
    return None
