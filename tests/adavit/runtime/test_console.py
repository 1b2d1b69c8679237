import io

import pytest
from rich.console import Console as RichConsole

from adavit.runtime.console import BarConsole, LineConsole, Status, console_here

STATUS = Status(
    images=12_000, total_images=60_000, images_per_s=100.0, p=0.25, r_t=-0.5, metric="fid 12.3"
)


def test_a_status_says_images_speed_time_left_p_rt_and_metric() -> None:
    assert (
        STATUS.fields()
        == "12.0 of 60 kimg  100 images/s  0:08:00 left  p 0.250  r_t -0.50  fid 12.3"
    )
    relative = Status(images=0, total_images=1000, p=0.1, r_relative=0.5)
    assert relative.fields() == "0.0 of 1 kimg  p 0.100  r_relative +0.50"
    assert Status(images=0, total_images=1000).fields() == "0.0 of 1 kimg  p 0.000"


def test_plain_lines_hold_reports_and_notes_but_no_bar() -> None:
    stream = io.StringIO()
    console = LineConsole(stream)
    console.note("found [3] images")
    console.status(STATUS)
    console.activity("evaluating", 3, 10)
    console.report(STATUS)
    assert stream.getvalue() == f"found [3] images\n{STATUS.fields()}\n"


def test_the_bar_shows_the_status_and_keeps_the_notes() -> None:
    stream = io.StringIO()
    rich = RichConsole(file=stream, force_terminal=True, width=120, highlight=False)
    with BarConsole(rich) as console:
        console.note("found [3] images")
        console.report(STATUS)
        console.activity("evaluating", 10, 10)
    written = stream.getvalue()
    assert "found [3] images" in written
    assert "fid 12.3" in written
    assert "evaluating 10 of 10" in written


def test_where_nobody_looks_on_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with console_here() as console:
        console.note("hello")
    assert capsys.readouterr().out == ""


def test_a_person_at_a_terminal_sees_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with console_here() as console:
        assert isinstance(console, BarConsole)
