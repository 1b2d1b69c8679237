"""Which sets have a name, and whether a source is one of them or lies on the disk.

No torch, so that help, completion and mistakes are quick; the sets are in `adavit.data.named_sets`.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adavit.data.files.members import printable
from adavit.data.unusable_source import UnusableSource
from adavit.runtime.paths import near_paths
from adavit.runtime.wording import NEAR

SMALL_SET = "small_set"
SMALL_SET_IMAGES = 2000
"""Of a `small_set` that is named without a number."""

MOST_DRAWN = 10**6
"""Drawings of a set; another seed draws others."""

DRAWN_SEED_END = 2**31
"""Seeds of drawings lie below; `benchmarks/train_drawn.py` takes those from there on."""


@dataclass(frozen=True)
class DrawnSet:
    """Drawings: the first so many of those of a seed.

    Attributes:
        count: Number of images.
        seed: Of the sequence that they begin.
    """

    count: int = SMALL_SET_IMAGES
    seed: int = 0

    @property
    def source(self) -> str:
        """The shortest name that it has in `data.source`."""
        seed = f"@{self.seed}" if self.seed else ""
        return SMALL_SET + seed + (f":{self.count}" if self.count != SMALL_SET_IMAGES else "")

    @property
    def short_name(self) -> str:
        """Safe as part of a file name."""
        return self.source.replace("@", "-seed").replace(":", "-")


@dataclass(frozen=True)
class TorchvisionSet:
    """One of torchvision's sets.

    Attributes:
        class_name: In `torchvision.datasets`.
        splits: Names of the splits and the constructor's arguments; the first is the default.
        files: What has to lie where, below the data root, when it cannot be downloaded.
        url: Where those files are found.
    """

    class_name: str
    splits: dict[str, dict[str, Any]]
    files: tuple[str, ...]
    url: str


_TRAIN_TEST = {"train": {"train": True}, "test": {"train": False}}
TORCHVISION_SETS = {
    "cifar10": TorchvisionSet(
        "CIFAR10", _TRAIN_TEST, ("cifar-10-python.tar.gz",), "https://www.cs.toronto.edu/~kriz/"
    ),
    "cifar100": TorchvisionSet(
        "CIFAR100", _TRAIN_TEST, ("cifar-100-python.tar.gz",), "https://www.cs.toronto.edu/~kriz/"
    ),
    "stl10": TorchvisionSet(
        "STL10",
        {name: {"split": name} for name in ("train", "test", "unlabeled")},
        ("stl10_binary.tar.gz",),
        "http://ai.stanford.edu/~acoates/stl10/",
    ),
    "flowers102": TorchvisionSet(
        "Flowers102",
        {name: {"split": name} for name in ("train", "val", "test")},
        tuple(f"flowers-102/{name}" for name in ("102flowers.tgz", "imagelabels.mat", "setid.mat")),
        "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
    ),
}
NAMES = (SMALL_SET, *TORCHVISION_SETS)
"""Every name that `data.source` takes; see `check_set_name` for what may follow it."""


def has_known_name(source: str) -> bool:
    """Whether a source begins as a set's name does, whatever follows a colon or an @."""
    return _parted(source)[0] in NAMES


def drawn_set(source: str) -> DrawnSet | None:
    """The drawings that a name means; None of any other source.

    Args:
        source: As in `data.source`, or `ImageSet.source`; nothing of that name exists as a path.

    Raises:
        UserError: If it begins with `small_set`, but is none of small_set, small_set:N, small_set@SEED and
            small_set@SEED:N.
    """
    name, seed, count = _parted(source)
    if name != SMALL_SET:
        return None
    found_seed = _whole(seed.removeprefix("@")) if seed else 0
    found_count = SMALL_SET_IMAGES if count is None else _whole(count)
    if not (0 <= found_seed < DRAWN_SEED_END and 1 <= found_count <= MOST_DRAWN):
        raise UnusableSource(
            source,
            "does not exist and names no drawings, but must be small_set,"
            f" small_set:N or small_set@SEED:N, with N from 1 to {MOST_DRAWN} images and a SEED from 0 to"
            f" {DRAWN_SEED_END - 1}. Use for example small_set:5000.",
        )
    return DrawnSet(found_count, found_seed)


def is_drawn(source: str) -> bool:
    """Whether a source is `small_set`, of whatever seed and number; a path never is."""
    return _parted(source)[0] == SMALL_SET


def _parted(source: str) -> tuple[str, str, str | None]:
    """The name of a set, the seed with its @ if there is one, and what follows a colon if there is one."""
    before, colon, after = source.partition(":")
    name, at, seed = before.partition("@")
    return name, at + seed, after if colon else None


def _whole(digits: str) -> int:
    """The number that so many digits say; -1 if they say none, or one of more than 10 digits."""
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= 10
    return int(digits) if is_number else -1


def check_source(source: str) -> None:
    """Refuses what is neither a path nor a name, before anything that takes seconds is imported.

    Args:
        source: As in `data.source`.

    Raises:
        UserError: If it is neither, or lies where nobody may look.
    """
    if not is_there(source):
        check_set_name(source)


def is_there(source: str) -> bool:
    """Whether there is such a path; it wins over a name.

    Raises:
        UserError: If it lies in a folder that may not be opened.
    """
    try:
        return bool(source) and Path(source).exists()
    except PermissionError as error:
        raise UnusableSource(
            source,
            f"cannot be read ({error.strerror}), but must lie in folders that you may open. Check their"
            " permissions.",
        ) from error
    except (OSError, ValueError):  # a name too long for a path, or with a null character
        return False


def check_set_name(source: str) -> None:
    """Refuses what names no set: `small_set` with a seed and a number, another one with a colon and a split of it.

    Raises:
        UserError: If it names none.
    """
    if drawn_set(source) is not None:
        return
    name, colon, split = source.partition(":")
    if name not in TORCHVISION_SETS:
        near = difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=NEAR)
        near = near or near_paths(Path(source))
        suggestion = f"Did you mean '{printable(near[0])}'?" if near else "Check the path."
        raise UnusableSource(
            source,
            "does not exist and is not a name, but must be a "
            f"folder of images, a zip of them, or one of {', '.join(NAMES)} (the first with a "
            f"number of images, such as small_set:5000, the others with a split, such as cifar10:test). {suggestion}",
        )
    splits = TORCHVISION_SETS[name].splits if colon else {}
    if colon and split not in splits:
        expected = ", ".join(f"{name}:{each}" for each in splits)
        raise UnusableSource(
            source,
            f"asks for a split that {name} does not have, but must be "
            f"one of {expected}. {name} alone stands for {name}:{next(iter(splits))}.",
        )
