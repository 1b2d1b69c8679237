"""Random folders and archives of which it is known what they hold: for fuzzing all that reads images."""

import json
import os
import random
import unicodedata
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from tests.references.data_files import encode, png_header
from tests.references.image_writers import DISPLAY_P3, write_profile

WORDS = [
    "cat",
    "Dog",
    "é",
    "e\u0301",
    "猫",
    "a b",
    "x" * 60,
    "-r",
    "%s",
    "$HOME",
    "[red]",
    "#1",
    "'\"",
]
LITTER = [".hidden.png", "Thumbs.db", "@eaDir/1.png", "__MACOSX/._1.png", ".git/1.png"]
IMAGES = [
    ("PNG", "1"),
    ("PNG", "L"),
    ("PNG", "LA"),
    ("PNG", "P"),
    ("PNG", "RGB"),
    ("PNG", "RGBA"),
    ("PNG", "I;16"),
    ("JPEG", "L"),
    ("JPEG", "RGB"),
    ("JPEG", "CMYK"),
    ("WEBP", "RGB"),
    ("WEBP", "RGBA"),
    ("GIF", "P"),
    ("BMP", "RGB"),
    ("TIFF", "L"),
    ("TIFF", "RGB"),
    ("TIFF", "CMYK"),
    ("TIFF", "I;16"),
]
WITH_PROFILES = ("PNG", "JPEG", "WEBP", "TIFF")
PROFILES = (b"garbage", write_profile(DISPLAY_P3, 2.2), write_profile(None, 1.8))
NO_IMAGES = {
    "text": b"hello",
    "gif": b"GIF89a" + bytes(20),
    "signature": b"\x89PNG\r\n\x1a\n",
    "empty": b"",
    "zeros": bytes(3000),
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x08builtins\x94\x8c\x04exit\x94\x93\x94R.",
    "header": png_header(60_000, 60_000),
}


@dataclass
class PlantedSet:
    """What was put where.

    Attributes:
        path: The folder or zip.
        good: Names of images that can be read.
        bad: Names of files of which none can, and which must be named as left out.
        open: Names of damaged files that may give an image or be left out.
        classes: Names of the classes that are expected, or None where it is not foreseen.
        contradictory: Whether its dataset.json gives an image two labels.
    """

    path: Path
    good: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    classes: set[str] | None = None
    contradictory: bool = False


def plant(folder: Path, seed: int) -> PlantedSet:
    """A random set below a folder, the same for the same seed."""
    draw = random.Random(seed)
    files: dict[str, bytes] = {}
    is_zip = draw.random() < 0.4
    planted = PlantedSet(folder / ("set.zip" if is_zip else "set"))
    roots = _folders(draw)
    for number in range(draw.randint(0, 12)):
        name = (
            draw.choice(roots)
            + f"{number}{draw.choice(WORDS)[:20]}.{draw.choice('png jpg TIF x'.split())}"
        )
        kind = draw.random()
        image = _image(draw)
        if kind < 0.7:
            files[name], target = image, planted.good
        elif kind < 0.85:
            files[name], target = draw.choice(list(NO_IMAGES.values())), planted.bad
        else:
            files[name], target = _damaged(draw, image), planted.open
        target.append(name)
    if draw.random() < 0.3:
        files |= {name: _image(draw) for name in draw.sample(LITTER, 2)}
    if draw.random() < 0.3:
        _plant_labels(draw, planted, files)
    _write(planted, files, is_zip, draw)
    return planted


def _folders(draw: random.Random) -> list[str]:
    """Prefixes of paths. Two writings of one letter are two folders on some systems and one on others."""
    words = {unicodedata.normalize("NFC", word): word for word in draw.sample(WORDS, 3)}
    nested = [
        f"{'/'.join(draw.choices(list(words.values()), k=draw.randint(1, 4)))}/" for _ in range(3)
    ]
    return draw.choice([[""], [f"{word}/" for word in words.values()], ["", *nested], nested])


def _image(draw: random.Random) -> bytes:
    kind, mode = draw.choice(IMAGES)
    width, height = draw.randint(1, 40), draw.randint(1, 40)
    values = np.random.default_rng(draw.randrange(2**32)).integers(
        0, 256, (height, width, 4), np.uint8
    )
    picture = Image.fromarray(values, "RGBA")
    if mode == "I;16":
        picture = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    elif mode in ("LA", "RGBA"):
        picture = picture.convert(mode)
    else:
        picture = picture.convert("RGB").convert(mode)
    options: dict[str, object] = {}
    if kind == "JPEG" and draw.random() < 0.5:
        exif = Image.Exif()
        exif[0x0112] = draw.randint(1, 9)
        options["exif"] = exif
    if kind in WITH_PROFILES and draw.random() < 0.2:
        options["icc_profile"] = draw.choice(PROFILES)
    if kind in ("GIF", "TIFF") and draw.random() < 0.3:
        options |= {"save_all": True, "append_images": [picture.rotate(180)]}
    return encode(picture, kind, **options)


def _damaged(draw: random.Random, image: bytes) -> bytes:
    if draw.random() < 0.5:
        return image[: draw.randint(1, len(image))]
    changed = bytearray(image)
    for _ in range(draw.randint(1, 8)):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _plant_labels(draw: random.Random, planted: PlantedSet, files: dict[str, bytes]) -> None:
    listed = [[name, draw.randint(0, 3)] for name in files]
    content: object = {"labels": listed}
    kind = draw.choice(["whole", "partial", "twice", "none", "broken", "types", "stray"])
    if kind == "partial":
        content = {"labels": listed[::2]}
    elif kind == "twice" and listed:
        content = {"labels": [*listed, [listed[0][0], 9]]}
        planted.contradictory = True
    elif kind == "none":
        content = {"labels": None}
    elif kind == "types":
        content = {"labels": [[1, "a"], None, {}]}
    data = b"{" if kind == "broken" else json.dumps(content).encode()
    if kind == "stray" and any("/" in name for name in files):
        folder = next(name for name in files if "/" in name).rpartition("/")[0]
        files[f"{folder}/dataset.json"] = data
        planted.open.append(f"{folder}/dataset.json")
        return
    files["dataset.json"] = data


def _write(planted: PlantedSet, files: dict[str, bytes], is_zip: bool, draw: random.Random) -> None:
    path = planted.path
    if is_zip:
        method = draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return
    path.mkdir()
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    for name, link in {"link.png": "", "proc": "/proc", "pipe.png": None}.items():
        target = draw.choice(planted.good) if link == "" and planted.good else link
        if target == "" or draw.random() < 0.7:
            continue
        if target is None:
            os.mkfifo(path / name)
        else:
            os.symlink(target, path / name)
        planted.bad.append(name)
