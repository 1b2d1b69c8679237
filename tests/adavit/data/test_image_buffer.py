import errno
from pathlib import Path

import numpy as np
import pytest

from adavit.data import image_buffer
from adavit.data.image_buffer import ImageBuffer
from tests.references.data_files import pixels

IMAGES = pixels(10, 4, 3, 3)


@pytest.mark.parametrize("limit", [0, 100, 1 << 30])
def test_images_come_back_in_order_from_memory_and_file(tmp_path: Path, limit: int) -> None:
    with ImageBuffer((4, 3, 3), tmp_path, memory_limit_bytes=limit) as buffer:
        for image in IMAGES:
            buffer.append(image)
        assert len(buffer) == 10
        np.testing.assert_array_equal(buffer.read(0, 4), IMAGES[:4])
        np.testing.assert_array_equal(buffer.read(8, 99), IMAGES[8:])
    assert list(tmp_path.iterdir()) == []


def test_appending_after_reading_overwrites_nothing(tmp_path: Path) -> None:
    with ImageBuffer((4, 3, 3), tmp_path, memory_limit_bytes=0) as buffer:
        for image in IMAGES[:5]:
            buffer.append(image)
        buffer.read(0, 2)
        for image in IMAGES[5:]:
            buffer.append(image)
        np.testing.assert_array_equal(buffer.read(0, 10), IMAGES)


@pytest.mark.parametrize("fails_at", [1, 2, 5])
def test_a_full_disk_moves_everything_back_to_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    written, write_all = 0, image_buffer._write_all

    def full_disk(file: object, block: np.ndarray) -> None:
        nonlocal written
        written += 1
        if written >= fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_all(file, block)  # type: ignore[arg-type]

    monkeypatch.setattr(image_buffer, "_write_all", full_disk)
    with ImageBuffer((4, 3, 3), tmp_path, memory_limit_bytes=36) as buffer:
        for image in IMAGES:
            buffer.append(image)
        np.testing.assert_array_equal(buffer.read(0, 10), IMAGES)
    assert written == fails_at  # it does not try again


def test_without_a_folder_it_stays_in_memory() -> None:
    with ImageBuffer((4, 3, 3), None, memory_limit_bytes=0) as buffer:
        for image in IMAGES:
            buffer.append(image)
        np.testing.assert_array_equal(buffer.read(0, 10), IMAGES)
