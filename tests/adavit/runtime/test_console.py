import io
import sys
import types

import pytest
from rich.console import Console as RichConsole

from adavit.runtime import console as consoles
from adavit.runtime.console import BarConsole, LineConsole, NotebookConsole, Status, console_here

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


class Cell:
    """What a notebook shows below a cell: outputs by their number, as `IPython.display` changes them."""

    def __init__(self) -> None:
        self.outputs: list[list[dict[str, str]]] = []

    def display(self, drawn: dict[str, str], *, raw: bool, display_id: bool) -> "Cell.Output":
        assert raw
        assert display_id
        self.outputs.append([drawn])
        return Cell.Output(self.outputs[-1])

    class Output:
        def __init__(self, states: list[dict[str, str]]) -> None:
            self.states = states

        def update(self, drawn: dict[str, str], *, raw: bool) -> None:
            assert raw
            self.states.append(drawn)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    shown = Cell()
    module = types.ModuleType("IPython.display")
    module.display = shown.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    return shown


def test_a_notebook_shows_lines_and_one_bar_that_moves(
    cell: Cell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1, 100))
    monkeypatch.setattr(consoles.time, "monotonic", lambda: next(clock))
    with console_here() as console:
        assert isinstance(console, NotebookConsole)
        console.note("found [3] <images>")
        console.activity("evaluating", 3, 10)
        console.status(STATUS)
        console.report(STATUS)
    assert capsys.readouterr().out == "found [3] <images>\n"
    (states,) = cell.outputs
    assert [state["text/plain"] for state in states] == [
        "evaluating 3 of 10",
        STATUS.fields(),
        STATUS.fields(),
        "",
    ]
    assert states[1]["text/html"].startswith('<progress value="12000" max="60000">')
    assert states[-1]["text/html"] == ""


def test_a_bar_in_a_notebook_is_not_drawn_at_every_step(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(number / 10 for number in range(10, 2000))
    monkeypatch.setattr(consoles.time, "monotonic", lambda: next(clock))
    with console_here() as console:
        for done in range(1, 101):
            console.activity("evaluating <b>", done, 100)
    (states,) = cell.outputs
    assert 20 <= len(states) <= 23  # ten seconds, half a second between two
    assert "evaluating &lt;b&gt; 100 of 100" in states[-2]["text/html"]


def test_a_notebook_where_nothing_moved_shows_no_bar(cell: Cell) -> None:
    with console_here() as console:
        console.note("done")
    assert cell.outputs == []


@pytest.mark.parametrize("width", [40, 60, 80, 100, 121])
def test_the_bar_and_the_time_stay_however_narrow_the_terminal(width: int) -> None:
    stream = io.StringIO()
    rich = RichConsole(
        file=stream, force_terminal=True, width=width, highlight=False, color_system=None
    )
    with BarConsole(rich) as console:
        console.report(STATUS)
    shown = stream.getvalue().rpartition("\x1b[2K")[0].replace("\r", "\n").split("\n")
    line = next(each for each in reversed(shown) if "kimg" in each).replace("\x1b[2K", "")
    assert len(line) <= width
    assert line.count("━") + line.count("╸") + line.count(" ") >= 2
    for part in ("━", " 20% ", "0:00:0", "12.0 of"):
        assert part in line
