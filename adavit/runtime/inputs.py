"""Files that a person names are read here: regular ones only, and texts of a bounded length.

Opening a pipe can wait for ever and a device need not end: neither is a file that somebody wrote.
"""

import errno
import os
import stat
from pathlib import Path

MAXIMUM_TEXT_BYTES = 64 * 2**20
"""No description, setting or record comes near it; what is larger is not read."""


def check_regular(path: Path) -> None:
    """Refuses what is not a file, with the error that opening it might never come to.

    Args:
        path: Where the file is; links are followed.

    Raises:
        OSError: If there is nothing, or a folder, pipe, socket or device; `strerror` says which.
    """
    try:
        mode = path.stat().st_mode
    except ValueError:  # a null character
        raise OSError(errno.EINVAL, "no file has such a name", str(path)) from None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a pipe, socket or device, not a file", str(path))


def read_input(path: Path) -> str:
    """The text of a regular file.

    Args:
        path: Where the file is.

    Raises:
        OSError: As `check_regular`, or if it has more than `MAXIMUM_TEXT_BYTES`.
        UnicodeDecodeError: If it is not UTF-8.
    """
    check_regular(path)
    with path.open("rb") as file:
        content = file.read(MAXIMUM_TEXT_BYTES + 1)
    if len(content) > MAXIMUM_TEXT_BYTES:
        raise OSError(errno.EFBIG, f"it has over {MAXIMUM_TEXT_BYTES >> 20} MB", str(path))
    return content.decode("utf-8")
