"""The standard streams of our own processes: they take every text, and may be absent or lose their reader."""

import contextlib
import errno
import io
import os
import stat
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any, TextIO

_LAYOUT = "\n\t"
_EMBEDDINGS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Bidirectional classes of the characters that turn others round, so that a name reads as another."""


def for_terminal(text: str) -> str:
    """Text as a terminal, or a picture, may show it: line ends and tabs stay, other control characters become escapes.

    Names of files and what strangers have written into a run may hold sequences that move the cursor,
    hide lines or rename the window.
    """
    return "".join(
        character.encode("unicode_escape").decode("ascii") if _acts(character) else character
        for character in text
    )


def _acts(character: str) -> bool:
    """Whether a terminal does something at a character, rather than show it."""
    if character in _LAYOUT:
        return False
    acts = unicodedata.category(character) in ("Cc", "Cs")  # lone surrogates cannot even be written
    return acts or unicodedata.bidirectional(character) in _EMBEDDINGS


@contextlib.contextmanager
def lenient_streams() -> Iterator[None]:
    """While entered, nothing that is printed can end the program for the stream's sake.

    What the encoding of a stream lacks is escaped; a stream that was closed before the start (cron,
    `>&-`) swallows all; once the reader of a pipe has left or the terminal is closed, the rest is
    dropped. A full disk stays an error.
    """
    before = {name: getattr(sys, name) for name in ("stdin", "stdout", "stderr")}
    # In this order: each file opened takes the lowest number that is free, which is that of the
    # stream in whose place it stands. Else the first file of a run would become its output.
    for name, stream in before.items():
        setattr(sys, name, _absent(name) if stream is None else _lenient(name, stream))
    try:
        yield
    finally:
        for name, stream in before.items():
            with contextlib.suppress(OSError, ValueError):
                getattr(sys, name).flush()
            setattr(sys, name, stream)


def _absent(name: str) -> TextIO:
    return open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8")


def _lenient(name: str, stream: TextIO) -> TextIO:
    if name == "stdin" or not isinstance(stream, io.TextIOWrapper):
        return stream
    unbuffered = isinstance(stream.buffer, io.FileIO)  # PYTHONUNBUFFERED
    if not unbuffered and not isinstance(getattr(stream.buffer, "raw", None), io.FileIO):
        # A test's, a notebook's, the console of Windows: its own way of writing stays.
        stream.reconfigure(errors="backslashreplace")
        return stream
    stream.flush()
    raw = _FileWithoutReader(stream.fileno())
    binary: Any = raw if unbuffered else io.BufferedWriter(raw)
    return io.TextIOWrapper(
        binary,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _FileWithoutReader(io.FileIO):
    """A pipe or terminal that goes on taking bytes when no one reads them any more; a file as any other."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "wb", closefd=False)
        # A terminal that was closed is none any more; on a file EIO is a disk that fails.
        self._reader_left = {errno.EPIPE, errno.EIO} if self.isatty() else {errno.EPIPE}
        if sys.platform == "win32" and stat.S_ISFIFO(os.fstat(number).st_mode):
            self._reader_left.add(errno.EINVAL)  # what Windows says of a pipe whose reader is gone

    def write(self, data: Any, /) -> int:
        """Number of bytes written, or dropped."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in self._reader_left:
                raise
            return memoryview(data).nbytes
