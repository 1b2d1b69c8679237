import io

from adavit.experiments.cell_console import CellConsole
from adavit.runtime.console import LineConsole, Status


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
