import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.errors import UserError
from adavit.runtime.films import film_at, times
from adavit.runtime.pictures import is_result

COLOURS = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (200, 200, 40), (20, 20, 20)]


def frames(size: tuple[int, int] = (34, 22)) -> Iterator[Image.Image]:
    yield from (Image.new("RGB", size, colour) for colour in COLOURS)


def half_clear() -> Iterator[Image.Image]:
    """A square that wanders over nothing, half of it see-through."""
    for number in range(4):
        frame = Image.new("RGBA", (32, 16))
        frame.paste((200, 30, 30, 255), (number * 4, 0, number * 4 + 8, 8))
        frame.paste((200, 30, 30, 100), (number * 4, 8, number * 4 + 8, 16))
        yield frame


def shown(path: Path, mode: str = "RGBA") -> list[np.ndarray]:
    film = Image.open(path)
    seen = []
    for index in range(film.n_frames):
        film.seek(index)
        seen.append(np.array(film.convert(mode)).astype(int))
    return seen


@pytest.mark.parametrize("size", [(34, 22), (33, 21)])
def test_an_mp4_has_the_frames_the_size_and_the_speed(
    size: tuple[int, int], tmp_path: Path
) -> None:
    av = pytest.importorskip("av")
    film = film_at(tmp_path / "a.mp4", 12)
    film.check(5, *size)
    film.write(frames(size))
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.frames) == (12, 5)
        assert float(stream.duration * stream.time_base) == pytest.approx(5 / 12)
        decoded = [
            frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(stream)
        ]
        assert stream.codec_context.pix_fmt == "yuv420p"
    assert [frame.shape for frame in decoded] == [(22, 34, 3)] * 5
    for frame, colour in zip(decoded, COLOURS, strict=True):
        assert np.abs(frame[:20, :32] - colour).max() < 12
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.skipif(os.name == "nt", reason="names there have no colons")
@pytest.mark.parametrize(
    "name", ["take:2.mp4", "file:a.mp4", "http:/a.mp4", "a|b,c?d#e%03d.mp4", "-y.mp4"]
)
def test_a_film_may_have_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pytest.importorskip("av")
    monkeypatch.chdir(tmp_path)
    film = film_at(Path(name), 12)
    film.check(5, 34, 22)
    film.write(frames())
    assert (tmp_path / name).read_bytes()[4:8] == b"ftyp"
    assert len(list((tmp_path / name).parent.iterdir())) == 1


def test_what_is_transparent_lies_on_squares_in_mp4(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    film_at(tmp_path / "a.mp4", 4).write(half_clear())
    with av.open(str(tmp_path / "a.mp4")) as container:
        last = list(container.decode(video=0))[-1].to_ndarray(format="rgb24").astype(int)
    assert abs(last[4, 4].mean() - 205) < 12
    assert abs(last[4, 28].mean() - 255) < 12
    assert abs(last[4, 16] - (200, 30, 30)).max() < 25


def test_a_webp_keeps_its_transparency(tmp_path: Path) -> None:
    film_at(tmp_path / "a.webp", 30).write(half_clear())
    for number, (seen, frame) in enumerate(
        zip(shown(tmp_path / "a.webp"), half_clear(), strict=True)
    ):
        assert np.abs(seen[..., 3] - np.array(frame)[..., 3]).max() < 3, number
    assert Image.open(tmp_path / "a.webp").n_frames == 4


def test_a_gif_shows_a_pixel_or_not_and_nothing_of_the_frame_before(tmp_path: Path) -> None:
    film_at(tmp_path / "a.gif", 25).write(half_clear())
    for seen, frame in zip(shown(tmp_path / "a.gif"), half_clear(), strict=True):
        expected = np.array(frame)[..., 3] >= 128
        assert np.array_equal(seen[..., 3] == 255, expected)
        assert np.abs(seen[expected] - (200, 30, 30, 255)).max() < 3
    film = Image.open(tmp_path / "a.gif")
    assert is_result(film)
    assert film.info["duration"] == 40
    assert film.info["loop"] == 0


def test_an_opaque_gif_keeps_colours(tmp_path: Path) -> None:
    film_at(tmp_path / "a.gif", 25).write(frames())
    for seen, colour in zip(shown(tmp_path / "a.gif", "RGB"), COLOURS, strict=True):
        assert np.abs(seen - colour).max() < 3


def test_a_folder_has_the_frames_as_they_are(tmp_path: Path) -> None:
    film = film_at(tmp_path / "film", 5)
    film.check(4, 32, 16)
    film.write(half_clear())
    found = sorted((tmp_path / "film").iterdir())
    assert [path.name for path in found] == [f"frame000{number}.png" for number in range(4)]
    for path, frame in zip(found, half_clear(), strict=True):
        assert np.array_equal(Image.open(path), frame)
        assert is_result(Image.open(path))
    with pytest.raises(UserError, match="has the frames of a film already"):
        film_at(tmp_path / "film", 5).check(4, 32, 16)


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webp", "folder"])
def test_a_film_that_breaks_off_leaves_nothing(name: str, tmp_path: Path) -> None:
    if name.endswith(".mp4"):
        pytest.importorskip("av")
    kept = tmp_path / name
    if "." in name:
        kept.write_bytes(b"before")
    film = film_at(kept, 10)
    film.check(5, 34, 22)

    def broken() -> Iterator[Image.Image]:
        yield next(frames())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        film.write(broken())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert kept.read_bytes() == b"before" if "." in name else not list(kept.iterdir())


def test_what_cannot_be_written_is_refused_before_it_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"expected a name in \.mp4, \.gif or \.webp, or a folder"):
        film_at(tmp_path / "a.avi", 30)
    with pytest.raises(UserError, match="--fps is 60, expected at most 50 for a GIF"):
        film_at(tmp_path / "a.gif", 60)
    for name in ("a.gif", "a.webp"):
        with pytest.raises(UserError, match=r"would hold .* GB of frames in memory"):
            film_at(tmp_path / name, 30).check(100_000, 512, 512)
    blocked = tmp_path / "file"
    blocked.write_text("")
    for name in ("a.gif", "folder"):
        with pytest.raises(UserError, match="cannot be made"):
            film_at(blocked / name, 30).check(5, 34, 22)
    monkeypatch.setattr("adavit.runtime.films.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'needs PyAV, .* pip install "adavit\[video\]", or write'):
        film_at(tmp_path / "a.mp4", 30)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("name", "longest"), [("a.mp4", 16_384), ("a.webp", 16_383), ("a.gif", 65_535)]
)
def test_frames_larger_than_a_format_holds_are_refused_and_the_largest_are_written(
    name: str, longest: int, tmp_path: Path
) -> None:
    film = film_at(tmp_path / name, 30)
    film.check(len(COLOURS), longest, 2)
    film.write(frames((longest, 2)))
    for size in ((longest + 1, 2), (2, longest + 1)):
        with pytest.raises(UserError, match=f"sides of at most {longest:,} in a"):
            film.check(2, *size)


def test_an_encoder_that_is_absent_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    av = pytest.importorskip("av")
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    film = film_at(tmp_path / "a.mp4", 5)
    film.write(frames())
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    monkeypatch.setattr(av, "codecs_available", {"h264"})
    with pytest.raises(UserError, match=r'no encoder for MP4, .* "adavit\[video\]"'):
        film_at(tmp_path / "b.mp4", 5)


@pytest.mark.parametrize(("fps", "unit"), [(30, 10), (25, 10), (30, 1), (24, 1), (50, 10)])
def test_times_add_up(fps: int, unit: int) -> None:
    found = times(120, fps, unit)
    assert abs(sum(found) - 120_000 / fps) <= unit / 2
    assert all(each % unit == 0 and abs(each - 1000 / fps) <= unit for each in found)
