"""Folders for results, and writing files so that a reader, or a kill at any moment, never meets half of one."""

import contextlib
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from adavit.errors import UserError

RESULTS_MARK = ".adavit-results"

BUSY_S = 10.0
"""On Windows a file that another program has open can neither be replaced nor removed: one that only looks, such as a
virus scanner or a picture viewer, has mostly closed it by then."""


def mark_results(folder: Path) -> None:
    """Marks a folder as results: nothing in it is data, wherever it lies.

    Raises:
        OSError: If it cannot be written.
    """
    (folder / RESULTS_MARK).write_text(
        "Results of adavit. Nothing in this folder is read as data.\n"
    )


_UNFINISHED = re.compile(r".*\d+-[0-9a-f]{8}\.partial")
_UNFINISHED_PARTS = re.compile(r"(.*?)\.?([^/\\]*)\.\d+-[0-9a-f]{8}\.partial")


def check_makeable(folder: Path) -> None:
    """Refuses what `make_folder` would, as far as can be seen without making anything.

    Raises:
        UserError: If it, or the nearest folder above it that is there, is none or may not be written to.
    """
    try:
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        will_do = there.is_dir() and os.access(there, os.W_OK)
    except OSError:  # it lies in a folder that may not be opened
        there, will_do = folder, False
    if not will_do:
        raise UserError(
            f"--out {str(folder)!r} cannot be made or written to ({str(there)!r} is not a folder that you may write"
            " to), expected a folder for results. Choose another, or change its permissions."
        )


def make_folder(folder: Path) -> None:
    """Makes what `--out` names, before time is spent on what goes there.

    Raises:
        UserError: If it cannot be made, or may not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--out {str(folder)!r} cannot be made ({error.strerror}), expected a folder. Choose"
            " another."
        ) from None
    if not os.access(folder, os.W_OK):
        raise UserError(
            f"--out {str(folder)!r} may not be written to, expected a folder for results. Choose"
            " another, or change its permissions."
        )


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Replaces a file as a whole.

    The content is made before it is written, since libraries that write by themselves hide why they
    could not: a full disk must stay an OSError.

    Args:
        path: The file to make or replace; its old content survives any failure.
        content: All of it.

    Raises:
        OSError: If it cannot be written.
    """
    with unfinished_file(path.parent, f".{path.name}.") as (file, finish):
        file.write(content)
        finish(path)


def write_together(contents: Iterable[tuple[Path, bytes]]) -> None:
    """Replaces files as a whole once all of them are complete, in their order.

    Args:
        contents: Files with what each is to hold; one that comes twice has the first until its second turn.

    Raises:
        OSError: If one cannot be written; all old contents survive, but where a name could not be given.
    """
    with contextlib.ExitStack() as stack:
        finished = []
        for path, content in contents:
            file, finish = stack.enter_context(unfinished_file(path.parent, f".{path.name}."))
            file.write(content)
            file.flush()
            finished.append((finish, path))
        for finish, path in finished:
            finish(path)


@contextlib.contextmanager
def unfinished_file(folder: Path, prefix: str) -> Iterator[tuple[BinaryIO, Callable[[Path], None]]]:
    """A file that gets its name once it is complete; without that it vanishes with the block.

    Args:
        folder: Where it is written and will lie; must exist.
        prefix: What its name begins with until then.

    Yields:
        The file, open for writing bytes, and the function that gives it its name (replacing what
        has it, as a whole), which may be known only by then.

    Raises:
        OSError: If it cannot be written; what had the name survives.
    """
    unfinished = _unfinished_name(folder, prefix)
    file = unfinished.open("xb")

    def finish(path: Path) -> None:
        file.flush()
        os.fsync(file.fileno())
        file.close()
        put_in_place(unfinished, path)
        _sync_folder(folder)

    try:
        yield file, finish
    finally:
        with contextlib.suppress(OSError):  # closing flushes, which a full disk refuses once more
            file.close()
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def put_in_place(source: Path, place: Path) -> None:
    """Moves a file or folder, replacing what has the name; on Windows what another program has open is waited for.

    Args:
        source: What is moved.
        place: Its name from then on, on the same disk.

    Raises:
        OSError: If it cannot be moved; PermissionError on Windows, if the other program goes on for `BUSY_S`.
    """
    _once_free(lambda: os.replace(source, place))


def remove_file(path: Path) -> None:
    """Removes a file, if it is there; on Windows what another program has open is waited for.

    Args:
        path: The file.

    Raises:
        OSError: If it cannot be removed; PermissionError on Windows, if the other program goes on for `BUSY_S`.
    """
    _once_free(lambda: path.unlink(missing_ok=True))


def _once_free(act: Callable[[], None]) -> None:
    last = time.monotonic() + BUSY_S
    while True:
        try:
            return act()
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() >= last:
                raise
        time.sleep(0.1)


def give_second_name(path: Path, other: Path) -> None:
    """Makes a file known under another name in its folder, too, replacing what has that name.

    It costs nothing; where the disk knows no links, it is a copy.

    Args:
        path: The file.
        other: The name; what is then written to `path` as a whole leaves it alone.

    Raises:
        OSError: If it cannot be done.
    """
    unfinished = _unfinished_name(other.parent, f".{other.name}.")
    try:
        try:
            os.link(path, unfinished)
        except OSError:
            shutil.copyfile(path, unfinished)
        put_in_place(unfinished, other)
    finally:
        unfinished.unlink(missing_ok=True)


def final_name(path: str) -> str:
    """What an unfinished file would have been called, for messages; any other name as it is."""
    match = _UNFINISHED_PARTS.fullmatch(path)
    return f"{match[1]}{match[2]}" if match else path


def is_unfinished(path: Path) -> bool:
    """Whether a file is one of `unfinished_file` that has not got its name, by what it is called."""
    return _UNFINISHED.fullmatch(path.name) is not None


def remove_unfinished(folder: Path) -> None:
    """Removes what killed processes have left of their files; only for whoever alone writes in `folder`."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if is_unfinished(path):
            with contextlib.suppress(OSError):  # it is in nobody's way
                path.unlink()


def write_text(path: Path, text: str) -> None:
    """Replaces a file by UTF-8 text, as a whole; what names of files hold that is no text becomes escapes."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Replaces a JSON file, as a whole.

    Names of files may hold bytes that are no text: they are written as the escapes that JSON has.
    """
    write_bytes(path, json_content(values))


def json_content(values: Mapping[str, Any]) -> bytes:
    """What `write_json` writes."""
    text = json.dumps(values, indent=2, ensure_ascii=False)
    return f"{text}\n".encode(errors="backslashreplace")


def _unfinished_name(folder: Path, prefix: str) -> Path:
    return folder / f"{prefix}{os.getpid()}-{secrets.token_hex(4)}.partial"


def _sync_folder(folder: Path) -> None:
    """Makes the renaming itself last through a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
