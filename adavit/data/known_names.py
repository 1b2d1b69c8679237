"""Which sets have a name, and whether a source is one of them or lies on the disk.

No torch, so that help, completion and mistakes are quick; the sets are in `adavit.data.named_sets`.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adavit.data.files.members import printable
from adavit.errors import UserError
from adavit.runtime.paths import near_paths
from adavit.runtime.wording import NEAR

SMALL_SET = "small_set"


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
"""Every name that `data.source` takes; one of torchvision's may be followed by a colon and a split."""


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
        raise UserError(
            f"data.source '{printable(source)}' cannot be read ({error.strerror}), but must lie in folders that"
            " you may open. Check their permissions."
        ) from error
    except (OSError, ValueError):  # a name too long for a path, or with a null character
        return False


def check_set_name(source: str) -> None:
    """Refuses what is not the name of a set, or a name with a colon and a split of it.

    Raises:
        UserError: If it is neither.
    """
    name, colon, split = source.partition(":")
    if name not in TORCHVISION_SETS and source != SMALL_SET:
        near = difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=NEAR)
        near = near or near_paths(Path(source))
        suggestion = f"Did you mean '{printable(near[0])}'?" if near else "Check the path."
        if name == SMALL_SET:
            suggestion = f"{SMALL_SET} has no splits: use --data {SMALL_SET}."
        raise UserError(
            f"data.source '{printable(source)}' does not exist and is not a name, but must be a "
            f"folder of images, a zip of them, or one of {', '.join(NAMES)} (all but the first with a "
            f"split, such as cifar10:test). {suggestion}"
        )
    splits = TORCHVISION_SETS[name].splits if colon else {}
    if colon and split not in splits:
        expected = ", ".join(f"{name}:{each}" for each in splits)
        raise UserError(
            f"data.source '{printable(source)}' asks for a split that {name} does not have, but must be "
            f"one of {expected}. Use --data {name} for {name}:{next(iter(splits))}."
        )
