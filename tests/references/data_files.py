"""Image files and archives for the tests of adavit.data."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


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
