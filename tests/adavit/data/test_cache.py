import dataclasses
import errno
import hashlib
import json
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from adavit.data.cache import cached_sets, forget, load, store, store_pixels
from adavit.data.files.members import Skipped
from adavit.data.image_set import ImageSet
from adavit.runtime import cache_folder
from tests.references.data_files import pixels
from tests.references.odd_values import ODD_VALUES, changed

KEY = 64 * "0"
IMAGES = pixels(6, 3, 8, 8)
LABELS = np.arange(6, dtype=np.int64) % 2


def blocks(images: np.ndarray = IMAGES) -> Iterator[np.ndarray]:
    yield images[:4]
    yield images[4:]


def put(
    folder: Path, key: str = KEY, identity: str = "now", images: np.ndarray = IMAGES
) -> ImageSet:
    mapped, fingerprint = store_pixels(folder, images.shape, blocks(images), LABELS)
    skipped = (Skipped("a.txt", "is not an image"),)
    told = (fingerprint, skipped, "/pets", ("ü",), ("1",) * 6, (0, 1, 2, 4, 5, 6))
    found = ImageSet("pets", mapped, LABELS, ("é", "b"), *told)
    store(folder, key, identity, found)
    return found


def test_what_was_stored_is_found_and_mapped_read_only(tmp_path: Path) -> None:
    stored = put(tmp_path / "new" / "folder")
    found = load(tmp_path / "new" / "folder", KEY, "now")
    assert found is not None
    assert isinstance(found.images, np.memmap)
    assert not found.images.flags.writeable
    np.testing.assert_array_equal(found.images, IMAGES)
    np.testing.assert_array_equal(found.labels, LABELS)  # type: ignore[arg-type]
    for name in ("name", "classes", "fingerprint", "skipped", "source", "notes", "names", "files"):
        assert getattr(found, name) == getattr(stored, name), name


def test_fingerprint_is_a_digest_of_shape_labels_and_pixels(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"adavit images (6, 3, 8, 8)\n" + LABELS.tobytes() + IMAGES.tobytes())
    assert put(tmp_path).fingerprint == digest.hexdigest()


def test_pixels_are_a_plain_npy_file_named_by_the_fingerprint(tmp_path: Path) -> None:
    fingerprint = put(tmp_path).fingerprint
    np.testing.assert_array_equal(
        np.load(tmp_path / "images" / f"{fingerprint}.npy", allow_pickle=False), IMAGES
    )
    assert sorted(path.suffix for path in (tmp_path / "images").glob("[!.]*")) == [".json", ".npy"]


def test_another_key_is_not_found(tmp_path: Path) -> None:
    put(tmp_path)
    assert load(tmp_path, "other", "now") is None
    assert load(tmp_path / "nowhere", KEY, "now") is None


@pytest.mark.parametrize("length", [0, 10, 128, 500, -1])
def test_truncated_pixels_are_not_used(tmp_path: Path, length: int) -> None:
    path = tmp_path / "images" / f"{put(tmp_path).fingerprint}.npy"
    path.write_bytes(path.read_bytes()[:length])
    assert load(tmp_path, KEY, "now") is None


def test_pixels_with_bytes_behind_them_are_not_used(tmp_path: Path) -> None:
    path = tmp_path / "images" / f"{put(tmp_path).fingerprint}.npy"
    path.write_bytes(path.read_bytes() + b"x")
    assert load(tmp_path, KEY, "now") is None


@pytest.mark.parametrize("flipped", [slice(500_000, 600_000), slice(777_777, 777_778)])
def test_pixels_damaged_in_the_middle_are_not_used(tmp_path: Path, flipped: slice) -> None:
    """However little: one bit of one byte is another image."""
    images = pixels(100, 3, 64, 64)
    mapped, fingerprint = store_pixels(tmp_path, images.shape, iter([images]), None)
    store(tmp_path, KEY, "now", ImageSet("a", mapped, None, (), fingerprint, (), "a", ()))
    assert load(tmp_path, KEY, "now") is not None
    path = tmp_path / "images" / f"{fingerprint}.npy"
    content = bytearray(path.read_bytes())
    content[flipped] = bytes(byte ^ 1 for byte in content[flipped])
    path.write_bytes(content)
    assert load(tmp_path, KEY, "now") is None


def test_a_pickle_in_place_of_the_pixels_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "images" / f"{put(tmp_path).fingerprint}.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert load(tmp_path, KEY, "now") is None


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
        b'{"fingerprint": "../../x", "shape": [6, 3, 8, 8], "identity": "now"}',
        b'{"fingerprint": "\\u0000", "shape": [6, 3, 8, 8], "identity": "now"}',
    ],
)
def test_a_damaged_description_is_not_used(tmp_path: Path, content: bytes) -> None:
    put(tmp_path)
    (tmp_path / "images" / f"{KEY}.json").write_bytes(content)
    assert load(tmp_path, KEY, "now") is None


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
        ("fingerprint", "0" * 64),
        ("identity", 3),
    ],
)
def test_a_description_of_other_content_is_not_used(
    tmp_path: Path, field: str, value: object
) -> None:
    put(tmp_path)
    stored = json.loads((tmp_path / "images" / f"{KEY}.json").read_text())
    stored[field] = value
    (tmp_path / "images" / f"{KEY}.json").write_text(json.dumps(stored))
    assert load(tmp_path, KEY, "now") is None


def test_storing_again_mends_what_was_damaged(tmp_path: Path) -> None:
    path = tmp_path / "images" / f"{put(tmp_path).fingerprint}.npy"
    path.write_bytes(b"")
    put(tmp_path)
    assert load(tmp_path, KEY, "now") is not None


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
    assert list((tmp_path / "images").glob("[!.]*")) == []


def _store_often(folder: str) -> None:
    for _ in range(10):
        put(Path(folder))
        assert load(Path(folder), KEY, "now") is not None


def test_processes_at_the_same_time_do_not_harm_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    processes = [context.Process(target=_store_often, args=(str(tmp_path),)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    found = load(tmp_path, KEY, "now")
    assert found is not None
    np.testing.assert_array_equal(found.images, IMAGES)
    assert len(list((tmp_path / "images").glob("[!.]*"))) == 2


def test_a_mapped_set_survives_being_stored_again(tmp_path: Path) -> None:
    images = put(tmp_path).images
    put(tmp_path)
    np.testing.assert_array_equal(images, IMAGES)


def test_a_set_of_a_source_that_changed_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    """Every edit of an image would else leave another copy of the whole set."""
    before = put(tmp_path, identity="before")
    after = put(tmp_path, identity="after", images=IMAGES[::-1])
    assert load(tmp_path, KEY, "before") is None
    assert load(tmp_path, KEY, "after") is not None
    names = sorted(path.name for path in (tmp_path / "images").glob("[!.]*"))
    assert names == sorted([f"{KEY}.json", f"{after.fingerprint}.npy"])
    np.testing.assert_array_equal(before.images, IMAGES)  # a run that has it mapped goes on


def test_pixels_that_two_sources_share_stay_until_both_are_gone(tmp_path: Path) -> None:
    put(tmp_path, 64 * "1")
    put(tmp_path, 64 * "2")
    first, second = cached_sets(tmp_path)
    forget(tmp_path, [first])
    assert [each.description for each in cached_sets(tmp_path)] == [second.description]
    forget(tmp_path, [second])
    assert list((tmp_path / "images").glob("[!.]*")) == []


def test_the_list_tells_source_shape_and_size(tmp_path: Path) -> None:
    before = time.time() - 1
    put(tmp_path)
    (tmp_path / "images" / f"{64 * 'd'}.json").write_text('{"source": 1}')
    (found,) = cached_sets(tmp_path)
    assert (found.source, found.shape) == ("/pets", (6, 3, 8, 8))
    assert found.size_bytes == 128 + 6 * 3 * 8 * 8
    assert before < found.last_used < time.time() + 1


def test_the_set_used_longest_ago_goes_when_the_limit_is_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAVIT_CACHE_GB", str(3.5 * (128 + 6 * 3 * 8 * 8) / 1e9))
    used: set[Path] = set()
    monkeypatch.setattr(cache_folder, "_used_here", used)
    for number, key in enumerate((64 * "a", 64 * "b", 64 * "c")):
        found = put(tmp_path, key, images=np.roll(IMAGES, number))
        os.utime(tmp_path / "images" / f"{found.fingerprint}.npy", (number, number))
    used.clear()  # in another process
    assert load(tmp_path, 64 * "a", "now") is not None  # used again: b is the oldest
    put(tmp_path, 64 * "d", images=np.roll(IMAGES, 3))
    assert [load(tmp_path, 64 * key, "now") is not None for key in "abcd"] == [
        True,
        False,
        True,
        True,
    ]
    assert {path.stem[0] for path in (tmp_path / "images").glob("*.json")} == {"a", "c", "d"}


def test_a_description_with_anything_else_in_it_is_not_used(tmp_path: Path) -> None:
    put(tmp_path)
    path = tmp_path / "images" / f"{KEY}.json"
    whole, chance = json.loads(path.read_text()), random.Random(0)
    for _ in range(200):
        odd = changed(whole, chance, ODD_VALUES)
        path.write_text(json.dumps(odd))
        assert load(tmp_path, KEY, "now") is None or odd == whole
        assert len(cached_sets(tmp_path)) <= 1
    path.write_text(json.dumps({**whole, "classes": ["x", "y"]}))
    assert load(tmp_path, KEY, "now") is None
    path.write_text(json.dumps(whole))
    assert load(tmp_path, KEY, "now") is not None


def test_files_of_others_in_a_folder_that_became_the_cache_stay(tmp_path: Path) -> None:
    """A folder of images named as the cache has, perhaps, annotations and arrays beside them."""
    theirs = tmp_path / "images"
    theirs.mkdir()
    for name in ("annotations.json", "0001.npy", ".tmp-notes", "photo.png"):
        (theirs / name).write_text("{}")
        os.utime(theirs / name, (0, 0))
    put(tmp_path)
    forget(tmp_path, cached_sets(tmp_path))
    assert sorted(path.name for path in theirs.iterdir()) == sorted(
        ["annotations.json", "0001.npy", ".tmp-notes", "photo.png"]
    )


@pytest.mark.parametrize("seen", [None, (), ("torchvision:resnet18 0123",)])
def test_what_images_say_of_their_discriminator_is_kept(
    seen: tuple[str, ...] | None, tmp_path: Path
) -> None:
    store(tmp_path, KEY, "now", dataclasses.replace(put(tmp_path), discriminator_saw=seen))
    found = load(tmp_path, KEY, "now")
    assert found is not None
    assert found.discriminator_saw == seen
