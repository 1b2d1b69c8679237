"""Digests of images: of one, of a set, and of a set with its labels.

Those of sets stand in files that outlive a run, so their bytes are fixed: the fingerprint of a data set in records,
checkpoints and the cache of decoded sets, the digest of pixels alone in the cache of features and for references that
are a part of a set or were generated.
"""

import hashlib

import numpy as np

HASHED_BYTES = 1 << 26
"""So many bytes of a memory-mapped array are read at a time."""


def image_digest(image: np.ndarray, *, mirror: bool = False) -> bytes:
    """A digest of one image by which equal ones are found within a process; it is stored nowhere.

    Args:
        image: Pixels of any shape, uint8, the last side from left to right. Images compared are of one shape, which is
            not part of the digest.
        mirror: Whether an image and its flip have one digest.

    Returns:
        16 bytes.
    """
    digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
    return min(digest, image_digest(image[..., ::-1])) if mirror else digest


def images_digest(images: np.ndarray) -> str:
    """The sha256 of the shape and pixels of images.

    Args:
        images: Images [N, C, H, W], uint8; may be memory-mapped, and is read in blocks.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256(f"{images.dtype} {images.shape};".encode())
    _add(digest, images)
    return digest.hexdigest()


def fingerprint_start(shape: tuple[int, ...], labels: np.ndarray | None) -> "hashlib._Hash":
    """The fingerprint of a data set before its pixels: a sha256 of shape and labels; the pixels follow in order.

    Args:
        shape: [N, C, R, R].
        labels: int64 [N] or None.
    """
    digest = hashlib.sha256(f"adavit images {tuple(shape)}\n".encode())
    digest.update(b"unlabelled\n" if labels is None else labels.astype("<i8").tobytes())
    return digest


def set_fingerprint(images: np.ndarray, labels: np.ndarray | None) -> str:
    """The fingerprint of a data set.

    Args:
        images: uint8 [N, C, R, R]; may be memory-mapped, and is read in blocks.
        labels: int64 [N] or None.

    Returns:
        64 hexadecimal digits.
    """
    digest = fingerprint_start(images.shape, labels)
    _add(digest, images)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", images: np.ndarray) -> None:
    rows = max(1, HASHED_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), rows):
        digest.update(np.ascontiguousarray(images[start : start + rows]).data)
