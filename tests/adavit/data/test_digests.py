import hashlib
from pathlib import Path

import numpy as np
import pytest

from adavit.data import digests
from adavit.data.digests import fingerprint_start, image_digest, images_digest
from tests.references.metrics_images import drawn_images

IMAGES = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)


def test_the_digest_of_a_set_is_that_of_its_type_shape_and_pixels() -> None:
    """The bytes are fixed: files of cached features and records of references hold it."""
    expected = hashlib.sha256(b"uint8 (2, 3, 4, 4);" + bytes(range(96))).hexdigest()
    assert images_digest(IMAGES) == expected
    assert images_digest(IMAGES.reshape(2, 3, 2, 8)) != expected
    assert images_digest(IMAGES[::-1]) != expected
    assert images_digest(IMAGES[:0]) == hashlib.sha256(b"uint8 (0, 3, 4, 4);").hexdigest()


def test_the_digest_does_not_depend_on_the_blocks_it_is_read_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    images = drawn_images(7, seed=0, side=17)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    whole = images_digest(images)
    monkeypatch.setattr(digests, "HASHED_BYTES", 2000)
    assert images_digest(mapped) == whole


def test_a_fingerprint_begins_with_shape_and_labels() -> None:
    """The bytes are fixed: checkpoints, records and the cache of decoded sets hold it."""
    labels = np.array([3, 258])
    begun = b"adavit images (2, 3, 4, 4)\n"
    unlabelled = hashlib.sha256(begun + b"unlabelled\n")
    labelled = hashlib.sha256(begun + bytes([3, *[0] * 7, 2, 1, *[0] * 6]))
    assert fingerprint_start((2, 3, 4, 4), None).digest() == unlabelled.digest()
    assert fingerprint_start((2, 3, 4, 4), labels).digest() == labelled.digest()
    assert fingerprint_start((2, 3, 4, 4), labels.astype(">i4")).digest() == labelled.digest()


def test_one_pixel_makes_another_image_and_the_layout_in_memory_does_not() -> None:
    image = drawn_images(1, seed=0, side=8)[0]
    scattered = np.asfortranarray(image)
    assert image_digest(scattered) == image_digest(image.copy())
    assert len(image_digest(image)) == 16
    changed = image.copy()
    changed[2, 7, 7] ^= 1
    assert image_digest(changed) != image_digest(image)
