import io
import re
import sys

import click
import pytest
from click.testing import CliRunner

from adavit.cli.consoles import amount, console_for
from adavit.runtime.console import BarConsole, LineConsole, Status


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


def said(*flags: str) -> tuple[str, str]:
    """What a command prints and says with these flags."""

    @click.command()
    @amount
    def command() -> None:
        with console_for() as console:
            console.note("Twelve images.")
            for done in (1, 2):
                console.activity("decoding", done, 2)
            console.report(Status(1000, 2000))
            console.note("Warning: all are black.")
            console.result("Finished.")
        click.echo("result")

    outcome = CliRunner().invoke(command, flags)
    return outcome.stdout, outcome.stderr


def test_of_several_processes_the_first_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    for rank, said in (("0", "a line\n"), ("1", "")):
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        for name, value in {"RANK": rank, "WORLD_SIZE": "2"}.items():
            monkeypatch.setenv(name, value)
        with console_for() as console:
            console.note("a line")
        assert sys.stdout.getvalue() == said  # type: ignore[attr-defined]


def test_quiet_leaves_warnings_and_the_result() -> None:
    assert said("-q") == said("--quiet") == ("Finished.\nresult\n", "Warning: all are black.\n")


def test_verbose_adds_what_takes_time() -> None:
    normal, _ = said()
    more, _ = said("-v")
    added = [line for line in more.splitlines() if line not in normal.splitlines()]
    assert added[0] == "decoding ..."
    assert re.fullmatch(r"decoding: 2 in \d+\.\d s", added[1])
    assert len(added) == 2
    assert set(normal.splitlines()) < set(more.splitlines())


def test_both_are_a_mistake() -> None:
    out, err = said("-q", "-v")
    assert out == ""
    assert "--quiet and --verbose were both given. Leave one out." in err
