import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from PIL import Image

from adavit.data import load_images
from adavit.data.room import check_room
from adavit.errors import RunError
from adavit.runtime.resolution import Resolution
from tests.references.data_files import pixels

Usage = namedtuple("Usage", "total used free")


def have(monkeypatch: pytest.MonkeyPatch, *, disk: int, memory: int | None) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, disk))
    monkeypatch.setattr("adavit.data.room.free_bytes", lambda device: memory)


@pytest.mark.parametrize(
    ("disk", "memory"),
    [(5 * 1000 * 64, 0), (0, 4 * 1000 * 64), (0, None)],
    ids=["disk", "memory", "?"],
)
def test_one_place_with_room_is_enough(
    disk: int, memory: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(monkeypatch, disk=disk, memory=memory)
    check_room(1000, Resolution(8, 8), tmp_path)


def test_no_room_anywhere_is_told_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(monkeypatch, disk=5 * 1000 * 64 - 1, memory=4 * 1000 * 64 - 1)
    with pytest.raises(RunError, match=r"1,000 images of 8 px take at least 320 kB.*ADAVIT_CACHE"):
        check_room(1000, Resolution(8, 8), tmp_path)
    (tmp_path / "set").mkdir()
    for number in range(3):
        Image.fromarray(pixels(1, 8, 8, 3)[0]).save(tmp_path / "set" / f"{number}.png")
    have(monkeypatch, disk=10, memory=10)
    seen: list[int] = []
    with pytest.raises(RunError, match="3 images of 16 px"):
        load_images(
            str(tmp_path / "set"),
            resolution=16,
            cache_dir=tmp_path / "cache",
            progress=lambda done, total: seen.append(done),
        )
    assert not seen


@pytest.mark.parametrize("kind", ["may not be written", "is a file"])
def test_a_disk_that_may_not_be_written_is_no_room(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set").mkdir()
    Image.fromarray(pixels(8, 8, 3)).save(tmp_path / "set" / "1.png")
    cache = tmp_path / "cache"
    if kind == "is a file":
        cache.write_bytes(b"")
    else:
        cache.mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != cache)  # as root may all
    have(monkeypatch, disk=10**9, memory=10)
    seen: list[int] = []
    with pytest.raises(RunError, match="but the folder of the cache cannot be written and"):
        load_images(
            str(tmp_path / "set"),
            cache_dir=cache,
            progress=lambda done, total: seen.append(done),
        )
    assert not seen
