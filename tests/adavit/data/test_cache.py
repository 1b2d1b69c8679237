import errno
import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from adavit.data import cache
from adavit.data.cache import default_cache_dir, load, store, store_pixels
from adavit.data.files.members import Skipped
from adavit.data.image_set import ImageSet
from tests.references.data_files import pixels

IMAGES = pixels(6, 3, 8, 8)
LABELS = np.arange(6, dtype=np.int64) % 2


def blocks(images: np.ndarray = IMAGES) -> Iterator[np.ndarray]:
    yield images[:4]
    yield images[4:]


def put(folder: Path, key: str = "key") -> ImageSet:
    images, fingerprint = store_pixels(folder, IMAGES.shape, blocks(), LABELS)
    skipped = (Skipped("a.txt", "is not an image"),)
    found = ImageSet("pets", images, LABELS, ("é", "b"), fingerprint, skipped, "/pets", ("ü",))
    store(folder, key, found)
    return found


def test_what_was_stored_is_found_and_mapped_read_only(tmp_path: Path) -> None:
    stored = put(tmp_path / "new" / "folder")
    found = load(tmp_path / "new" / "folder", "key")
    assert found is not None
    assert isinstance(found.images, np.memmap)
    assert not found.images.flags.writeable
    np.testing.assert_array_equal(found.images, IMAGES)
    np.testing.assert_array_equal(found.labels, LABELS)  # type: ignore[arg-type]
    for name in ("name", "classes", "fingerprint", "skipped", "source", "notes"):
        assert getattr(found, name) == getattr(stored, name), name


def test_fingerprint_is_a_digest_of_shape_labels_and_pixels(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"adavit images (6, 3, 8, 8)\n" + LABELS.tobytes() + IMAGES.tobytes())
    assert put(tmp_path).fingerprint == digest.hexdigest()


def test_pixels_are_a_plain_npy_file_named_by_the_fingerprint(tmp_path: Path) -> None:
    fingerprint = put(tmp_path).fingerprint
    np.testing.assert_array_equal(
        np.load(tmp_path / f"{fingerprint}.npy", allow_pickle=False), IMAGES
    )
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npy"]


def test_another_key_is_not_found(tmp_path: Path) -> None:
    put(tmp_path)
    assert load(tmp_path, "other") is None
    assert load(tmp_path / "nowhere", "key") is None


@pytest.mark.parametrize("length", [0, 10, 128, 500, -1])
def test_truncated_pixels_are_not_used(tmp_path: Path, length: int) -> None:
    path = tmp_path / f"{put(tmp_path).fingerprint}.npy"
    path.write_bytes(path.read_bytes()[:length])
    assert load(tmp_path, "key") is None


def test_pixels_with_bytes_behind_them_are_not_used(tmp_path: Path) -> None:
    path = tmp_path / f"{put(tmp_path).fingerprint}.npy"
    path.write_bytes(path.read_bytes() + b"x")
    assert load(tmp_path, "key") is None


def test_pixels_lost_in_the_middle_are_not_used(tmp_path: Path) -> None:
    images = pixels(100, 3, 64, 64)
    mapped, fingerprint = store_pixels(tmp_path, images.shape, iter([images]), None)
    store(tmp_path, "key", ImageSet("a", mapped, None, (), fingerprint, (), "a", ()))
    assert load(tmp_path, "key") is not None
    path = tmp_path / f"{fingerprint}.npy"
    content = bytearray(path.read_bytes())
    content[500_000:600_000] = bytes(100_000)
    path.write_bytes(content)
    assert load(tmp_path, "key") is None


def test_a_pickle_in_place_of_the_pixels_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / f"{put(tmp_path).fingerprint}.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert load(tmp_path, "key") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"fingerprint": "x"}',
        b"[" * 100_000,
        b'{"fingerprint": "../../x", "shape": [6, 3, 8, 8], "spots": 0}',
        b'{"fingerprint": "\\u0000", "shape": [6, 3, 8, 8], "spots": 0}',
    ],
)
def test_a_damaged_description_is_not_used(tmp_path: Path, content: bytes) -> None:
    put(tmp_path)
    (tmp_path / "key.json").write_bytes(content)
    assert load(tmp_path, "key") is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shape", [3, 6, 8, 8]),
        ("shape", 3),
        ("labels", [1]),
        ("labels", [2**70] * 6),
        ("labels", "none"),
        ("classes", 3),
        ("skipped", [["a.png"]]),
        ("notes", None),
        ("spots", 0),
    ],
)
def test_a_description_of_other_content_is_not_used(
    tmp_path: Path, field: str, value: object
) -> None:
    put(tmp_path)
    stored = json.loads((tmp_path / "key.json").read_text())
    stored[field] = value
    (tmp_path / "key.json").write_text(json.dumps(stored))
    assert load(tmp_path, "key") is None


def test_storing_again_mends_what_was_damaged(tmp_path: Path) -> None:
    path = tmp_path / f"{put(tmp_path).fingerprint}.npy"
    path.write_bytes(b"")
    put(tmp_path)
    assert load(tmp_path, "key") is not None


@pytest.mark.parametrize("call", ["write", "replace"])
def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def interrupted() -> Iterator[np.ndarray]:
        yield IMAGES[:2]
        failing()

    if call == "replace":
        monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="No space"):
        store_pixels(tmp_path, IMAGES.shape, interrupted() if call == "write" else blocks(), None)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_killed_leaves_no_entry_and_its_rest_goes_after_a_day(
    tmp_path: Path,
) -> None:
    old, young = tmp_path / ".tmp-old", tmp_path / ".tmp-young"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    os.utime(old, (0, time.time() - 2 * 24 * 3600))
    assert load(tmp_path, "key") is None
    put(tmp_path)
    assert not old.exists()
    assert young.exists()


def _store_often(folder: str) -> None:
    for _ in range(10):
        put(Path(folder))
        assert load(Path(folder), "key") is not None


def test_processes_at_the_same_time_do_not_harm_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    processes = [context.Process(target=_store_often, args=(str(tmp_path),)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    found = load(tmp_path, "key")
    assert found is not None
    np.testing.assert_array_equal(found.images, IMAGES)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_mapped_set_survives_being_stored_again(tmp_path: Path) -> None:
    images = put(tmp_path).images
    put(tmp_path)
    np.testing.assert_array_equal(images, IMAGES)


def test_cache_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache.sys, "platform", "linux")
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("ADAVIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "adavit"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_cache_dir() == Path.home() / ".cache" / "adavit"
    monkeypatch.setattr(cache.sys, "platform", "darwin")
    assert default_cache_dir() == Path.home() / "Library" / "Caches" / "adavit"
    monkeypatch.setattr(cache.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert default_cache_dir() == tmp_path / "adavit" / "Cache"
