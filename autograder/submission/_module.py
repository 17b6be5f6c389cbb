"""A `.py` as text, read the way Python reads it."""

import codecs
import io
import tokenize

from autograder.errors import SubmissionError
from autograder.submission._files import shown

WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
SLOW = ("idna", "punycode")  # decoding takes quadratic time
HELP = "Save it as plain text in UTF-8."


def module_text(data: bytes, name: str) -> str:
    r"""The text of a module, its lines ended by \n; encoding by PEP 263 or byte order mark, as Python does.

    Raises:
        SubmissionError: it is empty, not text, not in the encoding that it names, or a notebook in disguise.
    """
    name = shown(name)
    if data.startswith(WIDE):
        raise SubmissionError(f"{name} is saved in UTF-16 or UTF-32, which Python does not read", help=HELP)
    if b"\0" in data:
        raise SubmissionError(f"{name} is not a text file: it has NUL bytes", help=HELP)
    if data.lstrip().startswith(b"{") and b'"nbformat"' in data:
        raise SubmissionError(f"{name} is a notebook", help="Hand it in under a name that ends in .ipynb.")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        if codecs.lookup(encoding).name in SLOW:
            raise SyntaxError(f"encoding {encoding!r} is for domain names")
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SubmissionError(f"{name}, line {line}: not {error.encoding}: {error.reason}", help=HELP) from error
    except (SyntaxError, LookupError, ValueError) as error:
        raise SubmissionError(f"{name}: {shown(error)}", help=HELP) from error
    if not text.strip():
        raise SubmissionError(f"{name} is empty", help="Hand in the file with your code in it; is it saved?")
    return text.replace("\r\n", "\n").replace("\r", "\n")
