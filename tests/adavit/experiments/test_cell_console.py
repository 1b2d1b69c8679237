import io

import pytest

from adavit.experiments.cell_console import CellConsole
from adavit.runtime.console import LineConsole, Status, WarningConsole


def test_a_cell_names_itself_and_repeats_nothing_that_others_have_told() -> None:
    shown, told = io.StringIO(), {"Found 30 images."}
    logs, steps = [io.StringIO(), io.StringIO()], []
    for title, log in zip("ab", logs, strict=True):
        console = CellConsole(
            LineConsole(shown), title, log, told=told, on_step=lambda: steps.append(1)
        )
        console.note("Found 30 images.")
        console.note("a whole\npage")
        console.note("Resolution: 16.")
        console.status(Status(images=8, total_images=64, images_per_s=None, p=None))
        console.note("Found 30 images.")  # while it trains, nothing is an echo
    assert shown.getvalue().splitlines() == [
        "[a] Resolution: 16.",
        "[a] Found 30 images.",
        "[b] Found 30 images.",
    ]
    page = "Found 30 images.\na whole\npage\nResolution: 16.\nFound 30 images.\n"
    assert [log.getvalue() for log in logs] == [page, page]
    assert len(steps) == 2


def test_warnings_of_a_cell_are_told_with_its_title_where_nothing_else_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = CellConsole(WarningConsole(), "a, seed [0]", io.StringIO(), told=set())
    for text in ("30 images.", "Warning: 30 images are little.", "Seen in [a] Warning.txt."):
        console.note(text)
    console.report(Status(images=8, total_images=64))
    out, errors = capsys.readouterr()
    assert (out, errors) == ("", "Warning: [a, seed [0]] 30 images are little.\n")
