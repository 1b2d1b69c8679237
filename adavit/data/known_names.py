"""Which sets have a name. Data alone, so that help and completion are quick; see `adavit.data.named_sets`."""

from dataclasses import dataclass
from typing import Any

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
