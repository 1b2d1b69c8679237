"""What `training.compile` needs, and what is said of it before the first step."""

import os
import shutil
import sys

from adavit.errors import UserError

COMPILERS = {"darwin": "clang++", "win32": "cl"}
"""That torch calls by itself, by platform; elsewhere it is g++. The environment variable CXX names another."""


def compilation_note(wanted: bool) -> str | None:
    """What to say of the first steps; None where nothing is compiled.

    Args:
        wanted: `training.compile`.

    Raises:
        UserError: If there is no compiler.
    """
    if not wanted:
        return None
    if not has_compiler():
        raise UserError(
            f"training.compile is on, but there is no C++ compiler {_compiler()!r}, which torch compiles with. Install"
            " it, name one that is there by the environment variable CXX, or use --no-compile."
        )
    return (
        "Compiling: the first step, and the first one with each penalty that is not part of all steps, takes minutes."
        " A signal to stop is heeded after the step."
    )


def has_compiler() -> bool:
    """Whether there is a C++ compiler."""
    return shutil.which(_compiler()) is not None


def _compiler() -> str:
    return os.environ.get("CXX") or COMPILERS.get(sys.platform, "g++")
