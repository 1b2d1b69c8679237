import io
import sys

import pytest

from adavit.cli.consoles import console_for
from adavit.runtime.console import BarConsole, LineConsole


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("err", [False, True])
def test_a_pipe_gets_plain_lines_on_the_stream_that_was_asked_for(
    err: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with console_for(err=err) as console:
        assert isinstance(console, LineConsole)
        console.note("Twelve images.")
    out, errors = capsys.readouterr()
    assert (errors, out) == (("Twelve images.\n", "") if err else ("", "Twelve images.\n"))


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_terminal_gets_a_bar(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, stream, terminal)
    with console_for(err=stream == "stderr") as console:
        assert isinstance(console, BarConsole)
        console.note("Twelve images.")
    assert "Twelve images." in terminal.getvalue()
