"""Image files and archives for the tests of adavit.data."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from adavit.data.files.members import Member, Skipped


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    """Random bytes of a shape; the same for the same arguments."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encode(image: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """An image as the bytes of a file."""
    stream = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(stream, kind, **options)
    return stream.getvalue()


def png(seed: int = 0, size: int = 8, channels: int = 3) -> bytes:
    """A PNG of random pixels."""
    shape = (size, size) if channels == 1 else (size, size, channels)
    return encode(pixels(*shape, seed=seed))


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_zip(path: Path, files: dict[str, bytes] | list[tuple[str, bytes]]) -> Path:
    """Write files into a zip, deflated."""
    items = files.items() if isinstance(files, dict) else files
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in items:
            archive.writestr(name, content)
    return path


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, and has no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + b"\0" * 64


def members_of(files: Iterable[Member | Skipped]) -> list[Member]:
    """What can be opened of what was found, sorted by name."""
    return sorted((each for each in files if isinstance(each, Member)), key=lambda each: each.name)


def reasons_of(files: Iterable[Member | Skipped]) -> dict[str, str]:
    """Why the others were left out, by name, sorted."""
    return {
        each.name: each.reason
        for each in sorted(
            (each for each in files if isinstance(each, Skipped)), key=lambda each: each.name
        )
    }


def planes_of(image: np.ndarray) -> np.ndarray:
    """[H, W], [H, W, 3] or [H, W, 4] -> [4, H, W] as `decode` gives it without resizing."""
    full = np.full((4, *image.shape[:2]), 255, dtype=np.uint8)
    if image.ndim == 2:
        full[:3] = image
    else:
        full[: image.shape[2]] = image.transpose(2, 0, 1)
    full[:3, full[3] == 0] = 0
    return full
