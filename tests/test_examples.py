"""Notebooks run from top to bottom, the second one on what the first one leaves; examples of docstrings do too."""

import copy
import doctest
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from PIL import Image

import adavit
from tests.network_pickles import write_networks

EXAMPLES = Path(__file__).parent.parent / "examples"


def executed(name: str, folder: Path, parameters: str, *, times: int = 1) -> list[str]:
    """Runs a notebook with other parameters, and returns the kinds of what it shows."""
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    (given,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    given.source += f"\n{parameters}"
    cells = [copy.deepcopy(cell) for _ in range(times) for cell in notebook.cells]
    for index, cell in enumerate(cells):
        cell["id"] = str(index)
    notebook.cells = cells
    NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, timeout=300).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [kind for output in shown for kind in output.get("data", ())]


def shown_ms(path: Path) -> int:
    """For how long a film is shown, in milliseconds."""
    film, total = Image.open(path), 0
    for number in range(film.n_frames):
        film.seek(number)
        film.load()
        total += film.info["duration"]
    return total


@pytest.mark.slow
def test_the_notebooks_train_and_then_explore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    small = 'KIMG, SETTINGS = 1, {"preset": "smoke"}'
    # Twice, as after a disconnect: the second time goes on from what lies there.
    shown = executed("train_on_your_images.ipynb", tmp_path, small, times=2)
    assert shown.count("image/png") == 2 * 5
    assert Image.open(tmp_path / "my_run_drawn" / "grid.png").width > 500

    photo = tmp_path / "my_run_drawn" / "seed0003.png"
    shown = executed("explore_a_generator.ipynb", tmp_path, f"PHOTO, STEPS = {str(photo)!r}, 2")
    assert shown.count("image/png") == 5
    assert shown.count("image/webp") == 1
    # Neighbours that are equal are one frame, which is shown for longer.
    assert shown_ms(tmp_path / "explored" / "loop.webp") == 160 * 50


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_is_kept_without_what_it_showed(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what examples speak of."""
    folder = tmp_path_factory.mktemp("home")
    Image.effect_noise((16, 16), 90).save(folder / "photo.jpg")
    (folder / "photos").mkdir()
    for index in range(8):
        Image.effect_noise((16, 16), 90).convert("RGB").save(folder / "photos" / f"{index}.png")
    run = folder / "runs" / "00000-small_set-resnet-bgc"
    adavit.train(
        data=str(folder / "photos"),
        preset="smoke",
        kimg=0.016,
        out=run,
        metrics={"names": []},
    )
    write_networks(folder / "ffhq.pkl")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("card", "directions", "export", "generate", "import_networks", "interpolate"),
        *("load_generator", "mix", "project"),
    ],
)
def test_the_example_of_a_docstring_does_what_it_says(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    names = {"adavit": adavit, "torch": torch}
    (example,) = doctest.DocTestFinder(recurse=False).find(
        getattr(adavit, name), name, module=False, globs=names
    )
    assert example.examples
    told: list[str] = []
    failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=told.append)
    assert not failed.failed, "".join(told)
