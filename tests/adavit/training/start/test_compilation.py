"""What is said before steps are compiled, and where they cannot be."""

import re
import sys
from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.training.start.compilation import compilation_note


def test_first_steps_are_announced_where_there_is_a_compiler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CXX", sys.executable)
    assert compilation_note(wanted=False) is None
    assert "takes minutes" in str(compilation_note(wanted=True))


def test_without_a_compiler_a_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable, name in ((None, "g++"), ("no-such-compiler", "no-such-compiler")):
        monkeypatch.delenv("CXX", raising=False)
        if variable:
            monkeypatch.setenv("CXX", variable)
        monkeypatch.setattr(sys, "platform", "linux")
        assert compilation_note(wanted=False) is None
        with pytest.raises(UserError, match=re.escape(f"no C++ compiler {name!r}")):
            compilation_note(wanted=True)
