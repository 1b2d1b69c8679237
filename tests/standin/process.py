"""A process that has the stand-in, and runs tests of a GPU on it."""

import os
import subprocess
import sys

import pytest

from tests.standin.device import NAME, ROOT, build, can_build, folder


def run_as_on_a_gpu(config: pytest.Config, *paths: str) -> None:
    """Fails where one of the tests there fails.

    Torch cannot be rid of a device again, and has to know it before its first backward pass.

    Args:
        config: Of the session; its cache keeps the library.
        paths: Of tests marked `gpu`; those marked `slow` too are left out.
    """
    if not can_build():
        pytest.skip("needs g++, to compile the stand-in for an accelerator")
    build(folder(config))
    words = ["-m", "gpu and not slow", "--numprocesses", "0", "-q", *paths]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=ROOT,
        env={**os.environ, "ADAVIT_TEST_DEVICE": NAME},
        capture_output=True,
        text=True,
        timeout=540,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
