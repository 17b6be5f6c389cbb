"""A small assignment, from which starters are built."""

from pathlib import Path

REFERENCE = '''\
"""Small networks.

Shapes come first.
"""

import math

### BEGIN SOLUTION net.extras
import secrets_of_the_solution
### END SOLUTION
import string

### BEGIN SOLUTION net.quiz
QUIZ = {"q1": "b", "q2": "a"}
### END SOLUTION

LIMIT = 3  # part of the contract


### BEGIN SOLUTION net.dense
def _secret_helper(x):
    return x * 42


### END SOLUTION
def as_pair(size):
    """Both axes."""
    return (size, size)


def dense(x, w):
    """A dense layer: w x."""
    ### BEGIN SOLUTION net.dense
    if x:
        return _secret_helper(x) * w

    return 0
    ### END SOLUTION


# Bigger things follow.
class Net:
    """A net with one parameter."""

    def __init__(self, size):
        self.size = size

    def scale():
        ### BEGIN SOLUTION net.extras
        return 4711
        ### END SOLUTION

    def forward(self, x):
        """Size times x."""
        ### BEGIN SOLUTION net.extras
        return """a text
at the margin""" and self.size * x
        ### END SOLUTION


def last(x):
    """The end, half given."""
    x = abs(x)
    ### BEGIN SOLUTION net.extras
    x = math.sqrt(x)
    ### END SOLUTION
    return x


TRAILING = "kept"
'''
FACTS = """
title = "Small networks"
deliverable = "net"
lectures = ["Lecture 1"]

[tasks.dense]
title = "Dense layer"
functions = ["dense"]
ideas = ["weights"]
oracle = "torch"

[tasks.extras]
title = "The rest"
functions = ["Net", "last"]
ideas = ["depth"]
oracle = "torch"

[[quiz]]
id = "q1"
question = '''Which of these very, very, very long and winding descriptions of a network
is the one that fits the lecture?'''
options = { a = "this", b = "that" }
reread = "page 1"

[[quiz]]
id = "q2"
question = '''
How
many?'''
options = { a = "1", b = "2" }
reread = "page 2"
"""
HANDOUT = """\
# Small networks

Read this.

## Points

{{points}}

## dense: Dense layer

A dense layer is

```python
## dense: this is a comment in code
```

## Halfway

Take a breath.

## extras: The rest

Everything else.

## Afterwards

Hand in.
"""
EXPERIMENT = '''\
"""A small experiment."""

import math

from net import dense, last

# %% [markdown] What to see
# A **table** of values.
#
# Two of them.

# %% Values
for x in (1, 2):
    print(dense(x, 3))

# %%
print(math.pi)
'''
PUBLIC = '''\
"""What students run."""

import pytest
from gradescope_utils.autograder_utils.decorators import weight


@pytest.mark.task("dense")
@weight(10)
def test_dense(student, expect):
    """dense: an example"""
    expect(student.dense(1, 2), 84)
'''
HIDDEN = PUBLIC.replace("test_dense", "test_dense_fully").replace("10", "83.5")


def edit(file: Path, old: str, new: str, count: int = 1) -> None:
    """Change a file; the text to change must be there."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, count))
