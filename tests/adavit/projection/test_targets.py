from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.config.auto import RunFacts, resolve
from adavit.config.run import RunConfig
from adavit.data import load_images
from adavit.data.files.fit import FitName
from adavit.data.reading import Scale16Bit
from adavit.errors import UserError
from adavit.projection.targets import read_targets
from adavit.runs.generator_file import read_generator
from adavit.runtime.console import LineConsole, SilentConsole
from adavit.runtime.resolution import Resolution

Store = Callable[..., Path]


def photo(path: Path, mode: str = "RGB", size: tuple[int, int] = (29, 21)) -> Path:
    """A picture of a few colours that is no square."""
    rng = np.random.default_rng(len(path.name))
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = rng.integers(0, 256, (*size[::-1], 4), dtype=np.uint8)
    Image.fromarray(colours, "RGBA").convert(mode).save(path)
    return path


def settings(**data: Any) -> dict[str, Any]:
    """Of a whole run whose files were read in some way."""
    config = RunConfig.model_validate({"data": data})
    return resolve(config, RunFacts(Resolution.of(16), 20, "cpu")).as_dict()


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


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("scale_16bit", ["auto", "full", "set"])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_file_is_read_as_the_run_has_read_its_own(
    store: Store, tmp_path: Path, channels: int, scale_16bit: Scale16Bit, fit: FitName
) -> None:
    """As a folder is: filled up and scaled alike, 12 bits in 16 as white as those of the run."""
    data = {"scale_16bit": scale_16bit, "fit": fit, "frames": "all"}
    stored = read_generator(store(image_channels=channels, config=settings(**data)))
    levels = np.random.default_rng(0).integers(0, 4096, (21, 50)).astype(np.uint16)
    (tmp_path / "deep").mkdir()
    Image.fromarray(levels).save(tmp_path / "deep" / "a.png")
    clear = photo(tmp_path / "clear" / "a.png", "RGBA", (50, 21))
    pages = [Image.fromarray(levels[:, part : part + 21]) for part in (0, 14, 29)]
    (tmp_path / "pages").mkdir()
    pages[0].save(tmp_path / "pages" / "a.tif", save_all=True, append_images=pages[1:])
    for path, count in (
        (tmp_path / "deep" / "a.png", 1),
        (clear, 1),
        (tmp_path / "pages" / "a.tif", 3),
    ):
        alone = read_targets(str(path), stored, SilentConsole())
        folder = read_targets(str(path.parent), stored, SilentConsole())
        assert len(alone.images) == count
        assert torch.equal(alone.images, folder.images)
        assert (alone.names, alone.stems) == (folder.names, folder.stems)


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
