"""Python processes that this one starts: they look for modules where it does, not in the folder that it is called in.

With `-m` and `-c` Python looks there first: a random.py beside somebody's images would be run.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

SAFE_PATH = "PYTHONSAFEPATH"
"""Environment variable by which Python leaves the current folder out."""

FOUND_IN = Path(__file__).absolute().parents[2]
"""The folder in which this package was found."""


@contextlib.contextmanager
def starting_python() -> Iterator[None]:
    """While entered, Python that is started runs nothing of the current folder, unless this package comes from there.

    Then whoever called it there, in a clone, means it so, and a child would not find the package elsewhere.
    """
    before = os.environ.get(SAFE_PATH)
    if Path.cwd() != FOUND_IN.resolve():
        os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(SAFE_PATH, None)
        else:
            os.environ[SAFE_PATH] = before
