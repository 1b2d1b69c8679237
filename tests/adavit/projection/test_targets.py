from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.data import load_images
from adavit.errors import UserError
from adavit.projection.targets import read_targets
from adavit.runs.generator_file import read_generator
from adavit.runtime.console import LineConsole, SilentConsole

Store = Callable[..., Path]


def photo(path: Path, mode: str = "RGB", size: tuple[int, int] = (29, 21)) -> Path:
    """A picture of a few colours that is no square."""
    rng = np.random.default_rng(len(path.name))
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = rng.integers(0, 256, (*size[::-1], 4), dtype=np.uint8)
    Image.fromarray(colours, "RGBA").convert(mode).save(path)
    return path


@pytest.mark.parametrize(("channels", "mode"), [(1, "RGB"), (3, "L"), (3, "RGBA"), (4, "RGBA")])
def test_a_file_is_read_as_the_same_file_in_a_folder(
    store: Store, tmp_path: Path, channels: int, mode: str
) -> None:
    stored = read_generator(store(image_channels=channels))
    path = photo(tmp_path / "photos" / "a.png", mode)
    alone = read_targets(str(path), stored, SilentConsole())
    folder = read_targets(str(path.parent), stored, SilentConsole())
    assert alone.images.shape == (1, channels, 16, 16)
    assert torch.equal(alone.images, folder.images)
    assert alone.names == folder.names == ("a.png",)
    assert alone.stems == ("a",)
    named = {1: "grey", 3: "rgb", 4: "rgba"}[channels]
    direct = load_images(str(path.parent), resolution=16, channels=named)
    assert np.array_equal(alone.images.numpy(), direct.images)


def test_images_of_like_names_get_files_of_their_own(store: Store, tmp_path: Path) -> None:
    for name in ("a/photo.png", "a/photo.jpg", "a-photo.png", "A/PHOTO.png", "ü/é.png"):
        photo(tmp_path / "photos" / name)
    targets = read_targets(str(tmp_path / "photos"), read_generator(store()), SilentConsole())
    assert len(targets.names) == 5
    assert len({stem.casefold() for stem in targets.stems}) == 5
    assert all(stem.isascii() and "/" not in stem for stem in targets.stems)


def test_a_damaged_file_is_refused_and_in_a_folder_left_out(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = read_generator(store())
    good = photo(tmp_path / "photos" / "good.png")
    bad = good.with_name("bad.jpg")
    bad.write_bytes(b"\xff\xd8\xff" + bytes(90))
    text = good.with_name("notes.txt")
    text.write_text("no image")
    for path in (bad, text):
        with pytest.raises(UserError, match=rf"--target '.*{path.name}' .*but must be an image"):
            read_targets(str(path), stored, SilentConsole())
    assert read_targets(str(good.parent), stored, LineConsole()).names == ("good.png",)
    assert "bad.jpg" in capsys.readouterr().out
    good.unlink()
    with pytest.raises(UserError, match=r"--target '.*photos' has no image that can be read"):
        read_targets(str(good.parent), stored, SilentConsole())
    with pytest.raises(UserError, match=r"--target 'nowhere.png'"):
        read_targets("nowhere.png", stored, SilentConsole())
