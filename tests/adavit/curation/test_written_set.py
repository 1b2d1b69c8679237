import io
import json
import os
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.curation.written_set import check_target, png_of, written_set
from adavit.errors import RunError, UserError
from adavit.runtime.signals import Stopped
from tests.adavit.curation.conftest import textured


def planes(alpha: int = 255) -> np.ndarray:
    colour = textured(1, 6, 9).transpose(2, 0, 1)
    return np.concatenate([colour, np.full((1, 6, 9), alpha, np.uint8)])


@pytest.mark.parametrize("target", ["new", "empty", "set.zip"])
def test_a_set_appears_when_it_is_complete(tmp_path: Path, target: str) -> None:
    (tmp_path / "empty").mkdir()
    out = tmp_path / target
    with written_set(out, "--out", "elsewhere") as writer:
        writer.add("a/1.bin", b"one")
        assert writer.add_image("a/b.jpg", planes()) == "a/b.png"
        assert writer.add_image("a/b.webp", planes(100)) == "a/b.webp.png"
        writer.add_labels({"a/b.png": 3})
        assert not out.exists() or not any(out.iterdir())
    if out.suffix:
        with zipfile.ZipFile(out) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
    else:
        files = [path for path in out.rglob("*") if path.is_file()]
        found = {path.relative_to(out).as_posix(): path.read_bytes() for path in files}
    assert set(found) == {"a/1.bin", "a/b.png", "a/b.webp.png", "dataset.json"}
    assert json.loads(found["dataset.json"]) == {"labels": [["a/b.png", 3]]}
    image = Image.open(io.BytesIO(found["a/b.png"]))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), planes()[:3].transpose(1, 2, 0))
    assert sorted(path.name for path in tmp_path.iterdir() if "partial" in path.name) == []


@pytest.mark.parametrize("target", ["new", "set.zip"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_of_a_set_that_is_stopped(
    tmp_path: Path, target: str, number: signal.Signals
) -> None:
    def stop() -> None:
        with written_set(tmp_path / target, "--out", "elsewhere") as writer:
            writer.add("a/1.bin", b"one")
            assert any(tmp_path.iterdir())
            signal.raise_signal(number)

    with pytest.raises(Stopped) as caught:
        stop()
    assert caught.value.signal_number == number
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["new", "empty", "set.zip"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_nothing_is_left_of_a_set_that_is_not_complete(
    tmp_path: Path, target: str, error: type[BaseException]
) -> None:
    (tmp_path / "empty").mkdir()

    def fail() -> None:
        with written_set(tmp_path / target, "--out", "elsewhere") as writer:
            writer.add("a/1.bin", b"one")
            raise error

    with pytest.raises(error):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert not any((tmp_path / "empty").iterdir())


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"could not be written \(No space"),
        written_set(tmp_path / "new", "--out", "elsewhere"),
    ):
        raise OSError(28, "No space left on device")
    assert not any(tmp_path.iterdir())


def test_links_share_what_they_lead_to_and_leave_it_alone(tmp_path: Path) -> None:
    original = tmp_path / "original.png"
    original.write_bytes(b"pixels")
    with written_set(tmp_path / "new", "--write", "elsewhere") as writer:
        writer.link("a/linked.png", original)
    assert (tmp_path / "new/a/linked.png").read_bytes() == b"pixels"
    assert os.path.samefile(original, tmp_path / "new/a/linked.png")


@pytest.mark.parametrize("name", ["../out.png", "/out.png", "a/../../out.png", ""])
def test_no_name_leads_out(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(AssertionError),
        written_set(tmp_path / "new", "--out", "elsewhere") as writer,
    ):
        writer.add(name, b"")
    assert not any(tmp_path.iterdir())


def test_places_that_are_taken_or_inside_the_source_are_refused(tmp_path: Path) -> None:
    source, full = tmp_path / "source", tmp_path / "full"
    for folder in (source, full):
        folder.mkdir()
        (folder / "1.png").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "old.zip").write_bytes(b"")
    for target, words in (
        (source, "lies inside the images"),
        (source / "below/out", "lies inside the images"),
        (full, "is there already, expected a new or an empty folder"),
        (tmp_path / "file", "is there already"),
        (tmp_path / "old.zip", "expected a zip that is not there yet"),
        (tmp_path / "file/out", "cannot be made"),
    ):
        with pytest.raises(UserError, match=words):
            check_target(target, "--out", str(source))
    check_target(tmp_path / "source2", "--out", str(source))


@pytest.mark.parametrize(("mode", "alpha", "grey"), [("L", 255, True), ("RGBA", 9, False)])
def test_a_png_has_the_channels_that_its_image_needs(mode: str, alpha: int, grey: bool) -> None:
    image = planes(alpha)
    if grey:
        image[:3] = image[:1]
    opened = Image.open(io.BytesIO(png_of(image)))
    assert opened.mode == mode
    np.testing.assert_array_equal(np.asarray(opened.convert("RGBA")), image.transpose(1, 2, 0))
