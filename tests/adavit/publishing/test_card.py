import errno
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import adavit
from adavit.errors import UserError
from adavit.publishing.card import SAMPLE_SEEDS
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import read_generator, save_tuned
from adavit.runtime import files
from adavit.runtime.pictures import is_result
from tests.adavit.publishing.conftest import WriteGenerator

SECRETS = ("secret", "alice", "home", "laptop", "generator-last")
ALONE = """
import sys
class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("adavit", "torchvision", "kornia", "pydantic", "yaml", "PIL"):
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Refuses())
"""


def test_nothing_in_a_card_names_a_file_or_a_folder(run: RunDirectory) -> None:
    page, picture, facts = adavit.card(str(run.path), license="mit")
    assert [path.relative_to(run.path) for path in (page, picture, facts)] == [
        Path("card/README.md"),
        Path("card/samples.png"),
        Path("card/adavit.json"),
    ]
    for text in (page.read_text(), facts.read_text()):
        found = [secret for secret in SECRETS if secret in text]
        assert not found, f"{found} in a card"
    values = json.loads(facts.read_text())
    assert values["license"] == "mit"
    assert values["data"] == {
        "name": None,
        "fingerprint": "ab" * 32,
        "images": 200,
        "training_images": 180,
        "heldout_images": 20,
    }
    assert [figure["value"] for figure in values["figures"]] == [12.5]
    with Image.open(picture) as opened:
        assert is_result(opened)
        assert opened.size == (8 * 66 + 2, len(SAMPLE_SEEDS) // 8 * 66 + 2)


def test_a_card_of_rgba_shows_what_is_transparent_on_a_ground(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    adavit.card(str(write_generator(image_channels=4, num_classes=2)), tmp_path / "c")
    with Image.open(tmp_path / "c" / "samples.png") as opened:
        assert opened.mode == "RGB"


def test_the_code_in_a_card_draws_the_same_without_adavit(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    names = ("never seen", '\U0001f600 "smile" \\ `é`', "cat")
    file = write_generator(num_classes=3, classes=names, label_counts=[0, 7, 5])
    adavit.card(str(file), tmp_path / "card")
    page = (tmp_path / "card" / "README.md").read_text()
    (short, code) = re.findall(r"```python\n(.*?)\n```", page, flags=re.DOTALL)
    named: dict[str, Any] = {}
    torch.manual_seed(0)
    exec(short.replace("hub:USER/NAME", str(file)), named)
    torch.manual_seed(0)
    latents = torch.randn(4, 6)
    save = '\ntorch.save({"latents": latents, "images": images, "pixels": pixels}, "drawn.pt")\n'
    (tmp_path / "alone.py").write_text(ALONE + code + save)
    done = subprocess.run(
        [sys.executable, "-I", "alone.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    drawn = torch.load(tmp_path / "drawn.pt", weights_only=True)
    generator = adavit.load_generator(file)
    assert torch.equal(named["images"], generator(latents, names[1], truncation=0.7))
    expected = generator(drawn["latents"], names[1], truncation=0.7)
    torch.testing.assert_close(drawn["images"], expected, rtol=1e-4, atol=1e-5)
    assert drawn["pixels"].dtype == torch.uint8
    assert drawn["pixels"].shape == (4, 3, 8, 8)


def test_a_page_of_somebody_else_and_one_that_was_edited_stay(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    file, folder = str(write_generator()), tmp_path / "repository"
    folder.mkdir()
    page = folder / "README.md"
    page.write_text("three days of work")
    with pytest.raises(UserError, match=r"README\.md' was not written by adavit card, expected no"):
        adavit.card(file, folder)
    assert [path.read_text() for path in folder.iterdir()] == ["three days of work"]
    page.unlink()
    adavit.card(file, folder)
    adavit.card(file, folder, license="mit")  # as it was written
    edited = page.read_text() + "Thanks to my cat."
    page.write_text(edited)
    with pytest.raises(UserError, match=r"README\.md' was changed since it was written, expected"):
        adavit.card(file, folder, license="apache-2.0")
    assert page.read_text() == edited


def test_a_picture_of_ones_own_stays(write_generator: WriteGenerator, tmp_path: Path) -> None:
    file = str(write_generator())
    _, picture, _ = adavit.card(file, tmp_path / "card")
    picture.write_bytes(b"the best eight of a thousand")
    with pytest.raises(
        UserError, match=r"samples\.png' was changed since it was written, expected"
    ):
        adavit.card(file, tmp_path / "card", license="mit")
    assert picture.read_bytes() == b"the best eight of a thousand"


@pytest.mark.parametrize("before", [False, True])
def test_a_card_that_could_not_be_written_can_be_written_again(
    write_generator: WriteGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    file, folder = str(write_generator()), tmp_path / "card"
    if before:
        adavit.card(file, folder)
    write, opened = files.unfinished_file, []

    @contextmanager
    def full(place: Path, prefix: str) -> Iterator[Any]:
        opened.append(prefix)
        if len(opened) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        with write(place, prefix) as unfinished:
            yield unfinished

    with monkeypatch.context() as patch:
        patch.setattr(files, "unfinished_file", full)
        with pytest.raises(OSError, match="No space"):
            adavit.card(file, folder, license="mit")
    assert len(list(folder.iterdir())) == 3 * before
    adavit.card(file, folder, license="mit")


@pytest.mark.parametrize("renamed", [0, 1, 2, 3])
@pytest.mark.parametrize("before", [False, True])
def test_a_card_that_was_cut_off_between_its_files_is_still_ours(
    write_generator: WriteGenerator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: bool,
    renamed: int,
) -> None:
    folder = tmp_path / "card"
    if before:
        adavit.card(write_generator(seed=1), folder)
    file, rename, places = write_generator(), files.put_in_place, []

    def killed(source: Path, place: Path) -> None:
        if len(places) == renamed:
            raise KeyboardInterrupt
        places.append(place.name)
        rename(source, place)

    for license in ("mit", "apache-2.0"):  # cut off twice, and with other contents
        places.clear()
        with monkeypatch.context() as patch:
            patch.setattr(files, "put_in_place", killed)
            with pytest.raises(KeyboardInterrupt):
                adavit.card(file, folder, license=license)
    page = folder / "README.md"
    if page.exists():
        content = page.read_bytes()
        page.write_bytes(content + b"Thanks to my cat.")
        with pytest.raises(UserError, match=r"README\.md' was changed since it was written"):
            adavit.card(file, folder)
        page.write_bytes(content)
    if renamed:  # half a card is not published as that of weights
        assert "weights_digest" not in json.loads((folder / "adavit.json").read_text())
    written = [path.read_bytes() for path in adavit.card(file, folder, license="mit")]
    assert written == [
        path.read_bytes() for path in adavit.card(file, tmp_path / "other", license="mit")
    ]


def test_a_card_that_is_written_anew_keeps_its_licence(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    file, stated = str(write_generator()), []
    for license in (None, "cc-by-4.0", None, "mit"):
        page, _, facts = adavit.card(file, tmp_path / "card", license=license)
        stated.append(json.loads(facts.read_text())["license"])
        assert f"this generator: {'its author' if stated[-1] is None else f'`{stated[-1]}`'}" in (
            page.read_text()
        )
    assert stated == [None, "cc-by-4.0", "cc-by-4.0", "mit"]


@pytest.mark.parametrize("name", ["README.md", "samples.png", "adavit.json"])
def test_files_of_somebody_else_stay(
    write_generator: WriteGenerator, tmp_path: Path, name: str
) -> None:
    file, folder = str(write_generator()), tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_text('{"mine": 1}')
    told = rf"{name}' was not written by adavit card, expected no file of that name .* --out of adavit card\."
    with pytest.raises(UserError, match=told):
        adavit.card(file, folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {name: '{"mine": 1}'}
    (folder / name).rename(tmp_path / name)  # as the message says
    adavit.card(file, folder)
    (folder / "README.md").unlink()
    adavit.card(file, folder)  # the others are ours


def test_a_card_says_that_a_generator_was_tuned_to_an_image(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    file = write_generator()
    save_tuned(
        tmp_path / "tuned.safetensors",
        adavit.load_generator(file),
        stored=read_generator(file),
        tuned_from="ab" * 32,
        tuned_to="cd" * 32,
    )
    for name, source, tuned in (
        ("a", file, None),
        ("b", tmp_path / "tuned.safetensors", "ab" * 32),
    ):
        page, _, facts = adavit.card(str(source), tmp_path / name)
        assert ("tuned to draw one image" in page.read_text()) is (tuned is not None)
        assert json.loads(facts.read_text())["tuned_from"] == tuned


def test_a_folder_that_cannot_be_made_is_refused_with_nothing_written(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match=r"--out .*taken' cannot be made"):
        adavit.card(str(write_generator()), tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "a file"


def test_a_generator_on_a_hub_has_its_card_written_elsewhere() -> None:
    with pytest.raises(UserError, match="Name a folder of yours with --out"):
        adavit.card("hub:me/x")
