"""What a student hears of an exception beside its words: only what is certain."""

import re
from pathlib import Path

import pytest

from autograder.checks.runner import LocalRunner, explain
from autograder.checks.trusted import module_from_source
from autograder.sandbox.request import Request

HEAD = "import math\nimport numpy as np\nimport torch\n\n"
BACKWARD = "def f(n):\n    return g_backward(n, None)\ndef g_backward(dout, cache):\n"
FLOAT = "divide with `//`"
TOLD = {  # a function f of one argument, 6, and what is said of what it raises
    "a size": ("def f(n):\n    return np.zeros((n / 2, 3))", FLOAT),
    "a size by a name": ("def f(n):\n    rows, columns = n / 2 + 1, 3\n    return np.zeros((rows, columns))", FLOAT),
    "a size of torch": ("def f(n):\n    return torch.zeros((n / 2, 3))", FLOAT),
    "sizes of torch one by one": ("def f(n):\n    return torch.zeros(n / 2, 3)", FLOAT),
    "a view": ("def f(n):\n    return torch.ones(n).view(n / 2, 2)", FLOAT),
    "a layer": ("def f(n):\n    return torch.nn.Linear(n / 2, 3)", FLOAT),
    "rounded to a float": ("def f(n):\n    return np.zeros(np.floor(n / 4))", FLOAT),
    "a range": ("def f(n):\n    for i in range(n / 2):\n        pass", FLOAT),
    "a slice": ("def f(n):\n    return np.ones(n)[: n / 2]", FLOAT),
    "an index": ("def f(n):\n    return np.ones(n)[n / 2]", FLOAT),
    "a list": ("def f(n):\n    return [0] * (n / 2)", FLOAT),
    "a view after a transposition": ("def f(n):\n    return torch.ones(n, 2).T.view(-1)", "use `reshape`"),
    "two devices": ("def f(n):\n    return torch.ones(n, device='meta') + torch.ones(n)", r"device=x\.device"),
    "a leaf": ("def f(n):\n    return torch.ones(n, requires_grad=True).add_(1)", "Compute a new one instead"),
    "an overwritten value": (
        "def f(n):\n    a = torch.ones(n, requires_grad=True)\n    b = a.exp()\n    b += 1\n    b.sum().backward()",
        "overwrote what the gradient is computed from",
    ),
    "NumPy of a gradient": ("def f(n):\n    return np.exp(torch.ones(n, requires_grad=True))", "nothing of autograd"),
    "a truth of many": ("def f(n):\n    return 1 if np.ones(n) > 0 else 0", "want one truth value"),
    "fractions into whole numbers": ("def f(n):\n    a = np.ones(n, int)\n    a += 0.5", "holds whole numbers"),
    "an exact division": ("def f(n):\n    assert n % 4 == 0, 'odd'", "insists that something divides evenly"),
    "a cache taken apart": (f"{BACKWARD}    x, w = cache\n    return x", "`cache` is None here: .* g_forward returned"),
    "an entry of a cache": (f"{BACKWARD}    return cache[0]", "`cache` is None here"),
    "an attribute of a cache": (f"{BACKWARD}    return cache.shape", "`cache` is None here"),
}
NOT_TOLD = {
    "a float that nobody divided": "def f(n):\n    return np.zeros(n**0.5)",
    "a division beside it": "def f(n):\n    half = n / 2\n    return np.zeros(math.sqrt(n)) * half",
    "a division that is made whole": "def f(n):\n    return np.zeros((int(n / 2), n**0.5))",
    "a division in the body of the loop": "def f(n):\n    for i in range(n**0.5):\n        print(np.zeros(n / 2))",
    "too many arguments of one's own": "def g(a):\n    return a\ndef f(n):\n    return g(n / 2, 3)",
    "an entry of a cache that is None": (
        "def f(n):\n    return g_backward(n, (None,))\ndef g_backward(dout, cache):\n    return cache[0][1]"
    ),
    "something else that is None": f"{BACKWARD}    table = None\n    return table[0]",
    "None in no backward": "def f(n):\n    a, b = None",
    "a size of a thousand terms": f"def f(n):\n    return np.zeros(n / 2{' + 1.0' * 950})",
    "an assertion of a thousand terms": f"def f(n):\n    assert n < 0{' + 1' * 950} - 950",
    "any other assertion": "def f(n):\n    assert n == 4",
    "any other exception": "def f(n):\n    return np.ones(n / 2 > 1) @ np.ones(3)",
}


def message(source: str, folder: Path) -> str:
    """What is said of a call of f."""
    path = folder / "mine.py"
    path.write_text(HEAD + source)
    module = module_from_source("mine", path.read_text(), str(path))
    answer = LocalRunner(module).answer(Request("call", "f", (6,)))
    assert answer.raised is not None
    return str(explain(answer, path, "f(6)"))


@pytest.mark.parametrize(("source", "told"), TOLD.values(), ids=TOLD)
def test_a_slip_that_is_certain_is_told(source: str, told: str, tmp_path: Path) -> None:
    assert re.search(told, message(source, tmp_path)), message(source, tmp_path)


@pytest.mark.parametrize("source", NOT_TOLD.values(), ids=NOT_TOLD)
def test_of_others_nothing_is_guessed(source: str, tmp_path: Path) -> None:
    told = message(source, tmp_path)
    assert told.count("\n") == 2, told  # the call, the exception, its line
