"""Paths as people write them: `~` is the home folder, on the command line, in YAML and from Python.

The shell expands `~` only at the beginning of a word, not in `--out=~/run`, and nobody does so in YAML. A relative path
means the same wherever it is written: below the folder that the command is called in.
"""

import difflib
import functools
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from adavit.errors import UserError, shown
from adavit.runtime.wording import NEAR

AnyPath = TypeVar("AnyPath", str, Path)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_PLAIN_ON_WINDOWS = re.compile(r"[\w\\/:.+=-]+")
"""What neither cmd.exe nor PowerShell takes for more than letters."""


def expand_home(path: AnyPath) -> AnyPath:
    """A path with `~` and `~name` at its beginning replaced; `~name` of nobody stays as it is.

    Raises:
        UserError: If `~` stands in it and there is no home folder, or it is none that a system could have.
    """
    text = os.fspath(path)
    if "\0" in text:
        raise UserError(
            f"the path {shown(text)} has a character of number 0 in it, expected a name that a file can have. Correct"
            " it."
        )
    expanded = os.path.expanduser(text)
    is_home = text == "~" or text.startswith("~/")
    if is_home and (expanded == text or os.environ.get("HOME") == ""):  # which would be the root
        raise UserError(
            f"{text!r} begins with the home folder, but there is none (HOME is empty, or it is not set and the"
            " user has no entry in the system). Expected another path; write it in full, or set HOME."
        )
    return type(path)(expanded)


def home_folder() -> Path:
    """The home folder; where there is none, a path below which nothing can be made.

    A container's user may have neither HOME nor an entry in the system: what would be kept at home is
    then not kept, as on a disk that cannot be written.
    """
    try:
        return expand_home(Path("~"))
    except UserError:
        return Path(os.devnull)


def near_paths(path: Path) -> list[str]:
    """What a path that leads nowhere may be a slip for: what lies beside it under a like name, if anything.

    Args:
        path: Of nothing.
    """
    try:
        names = os.listdir(path.parent)
    except (OSError, ValueError):
        return []
    found = difflib.get_close_matches(path.name, names, n=1, cutoff=NEAR)
    return [str(path.parent / name) for name in found]


def quoted(text: str) -> str:
    """One word of a command that a person types, for the shell of this system.

    On Windows cmd.exe knows double quotes alone, and a path is no reason for any.

    Args:
        text: A path, or anything else that is given to a command.
    """
    if sys.platform != "win32":
        return shlex.quote(text)
    if _PLAIN_ON_WINDOWS.fullmatch(text):
        return text
    # The blank in front has it quoted, whatever it holds; what is quoted keeps its backslashes.
    return f'"{subprocess.list2cmdline([f" {text}"])[2:]}'


def check_png(path: Path) -> None:
    """Refuses to write a PNG under the name of something else.

    Raises:
        UserError: If the path given to --out does not end in .png, however its letters are written.
    """
    if path.suffix.lower() != ".png":
        raise UserError(
            f"--out {str(path)!r} ends in {path.suffix or 'nothing'}, expected .png. Write for example --out"
            f" {quoted(path.stem or 'picture')}.png."
        )


def distinct_names(names: Iterable[str], *, taken: Iterable[str] = ()) -> list[str]:
    """Names of files that do not meet, on disks without capitals either: what would be one again is numbered.

    Args:
        names: Without a suffix.
        taken: Names that are given to others already.
    """
    known = {name.casefold() for name in taken}
    found = []
    for plain in names:
        name, number = plain, 1
        while name.casefold() in known:
            number += 1
            name = f"{plain}-{number}"
        known.add(name.casefold())
        found.append(name)
    return found


def each_path(paths: Path | str | Iterable[Path | str]) -> list[Path]:
    """One path or several, as several."""
    return [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]


def takes_paths(
    *names: str,
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Makes a function expand `~` in arguments that are paths, words that may be paths, or several of them.

    Args:
        *names: Of the arguments; their values may be None.
    """

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        signature = inspect.signature(function)
        assert set(names) <= set(signature.parameters)

        @functools.wraps(function)
        def call(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
            bound = signature.bind(*arguments, **named)
            for name in bound.arguments.keys() & set(names):
                bound.arguments[name] = _expanded(bound.arguments[name])
            return function(*bound.args, **bound.kwargs)

        return call

    return decorate


def _expanded(value: Any) -> Any:
    if isinstance(value, str):
        return expand_home(value)
    if isinstance(value, Path):
        return expand_home(value)
    if isinstance(value, list | tuple):
        return [_expanded(item) for item in value]
    return value
