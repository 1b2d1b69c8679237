"""Class labels: sub-folders are classes; a StyleGAN dataset.json {"labels": [["path", int], ...]} wins over them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adavit.data.files.members import LABEL_FILE, Member, normal, plain, printable
from adavit.errors import UserError

# Some 700,000 images; read as JSON it takes over 20 times its size of memory.
_MAXIMUM_LABEL_FILE_BYTES = 32 << 20
# Labels are names of classes, and shown: a number of a thousand digits is none.
_LABEL_END = 2**63


@dataclass(frozen=True)
class Labels:
    """Class labels of a set.

    Attributes:
        indices: int64 [N] into `classes`, or None when the set has no classes.
        classes: Names as they are written in the source, in the order of the indices; empty without
            classes. To be shown they are made `printable`.
        note: A sentence about what was found.
    """

    indices: np.ndarray | None
    classes: tuple[str, ...]
    note: str


def labels_from_folders(names: Sequence[str]) -> Labels:
    """Take the first folder below what all paths share as the class.

    Args:
        names: Paths of the images inside their source.

    Returns:
        Classes in alphabetical order. None when an image lies beside the folders or there is only
        one folder.
    """
    parts = [normal(name).split("/") for name in names]
    shared = 0
    while (
        all(len(path) > shared + 1 for path in parts) and len({path[shared] for path in parts}) == 1
    ):
        shared += 1
    if any(len(path) == shared + 1 for path in parts):
        beside = any(len(path) > shared + 1 for path in parts)
        why = "images lie beside the sub-folders" if beside else "no sub-folders"
        return Labels(None, (), f"Classes: none ({why}).")
    folders = [path[shared] for path in parts]
    classes = tuple(sorted(set(folders)))
    number = {name: index for index, name in enumerate(classes)}
    indices = np.array([number[folder] for folder in folders], dtype=np.int64)
    return describe(indices, classes, "sub-folders")


def labels_from_file(names: Sequence[str], labels: Mapping[str, int] | str) -> Labels:
    """Take the classes from the entries of a dataset.json.

    Args:
        names: Paths of the images inside their source.
        labels: As `read_label_file` returns them: labels by path in its normal form, or why there are
            none.

    Returns:
        One class for each label that occurs, named by its number. None if an image has no label: a
        set that is labelled in part would otherwise be trained on labels that are wrong.
    """
    if isinstance(labels, str):
        return Labels(None, (), f"Classes: none ({LABEL_FILE} {labels}).")
    without = [name for name in names if normal(name) not in labels]
    if without:
        why = f"{LABEL_FILE} gives no label for {len(without)} of {len(names)} images, such as {printable(without[0])}"
        return Labels(None, (), f"Classes: none ({why}).")
    values = [labels[normal(name)] for name in names]
    distinct = sorted(set(values))
    if len(distinct) < 2:
        return Labels(None, (), f"Classes: none ({LABEL_FILE} has the same label for all images).")
    number = {value: index for index, value in enumerate(distinct)}
    indices = np.array([number[value] for value in values], dtype=np.int64)
    return describe(indices, tuple(str(value) for value in distinct), LABEL_FILE)


def read_label_file(member: Member) -> dict[str, int] | str:
    """Read StyleGAN's dataset.json.

    Args:
        member: The file. Its paths are relative to the folder it lies in.

    Returns:
        Labels by path inside the source, in its `normal` form; or, as the end of a sentence that starts with the file's
        name, why it has none.

    Raises:
        UserError: If the system refuses the file (a set without its labels is another set), or it
            gives an image two labels.
    """
    if member.size_bytes > _MAXIMUM_LABEL_FILE_BYTES:
        return f"is not used: it has over {_MAXIMUM_LABEL_FILE_BYTES >> 20} MB"
    try:
        with member.open() as stream:
            content = json.loads(stream.read())
    except OSError as error:
        raise UserError(
            f"{printable(member.name)} of the data cannot be read ({error.strerror}), but must be, as it "
            "holds the classes. Check its permissions, or remove it to train without classes."
        ) from error
    except Exception as error:  # noqa: BLE001 - broken archives, encodings, nesting too deep, numbers too long
        return f"is not used: it cannot be read as JSON ({type(error).__name__})"
    entries = content.get("labels") if isinstance(content, dict) else None
    if entries is None:
        return "has no labels"
    folder = member.name[: len(member.name) - len(LABEL_FILE)]
    labels: dict[str, int] = {}
    contradictions: dict[str, str] = {}
    for entry in entries if isinstance(entries, list) else [None]:
        match entry:
            case [str(name), int(value)] if not isinstance(value, bool) and abs(value) < _LABEL_END:
                path = normal(folder + plain(name))
                if labels.setdefault(path, value) != value:
                    contradictions[path] = f"{printable(path)} ({labels[path]} and {value})"
            case _:
                return 'is not used: "labels" must be a list of ["path", integer]'
    if contradictions:
        examples = ", ".join(list(contradictions.values())[:3])
        raise UserError(
            f"{printable(member.name)} of the data gives two labels to {len(contradictions)} images, such as "
            f"{examples}, but must give one to each. Remove the wrong ones."
        )
    return labels


def describe(indices: np.ndarray, classes: tuple[str, ...], origin: str) -> Labels:
    """Labels with the sentence for the log.

    Args:
        indices: int64 [N] into `classes`.
        classes: Names of the classes.
        origin: Where they come from, e.g. "sub-folders".
    """
    counts = np.bincount(indices, minlength=len(classes))
    shown = ", ".join(
        f"{printable(name)} {count}" for name, count in zip(classes[:12], counts, strict=False)
    )
    more = f", and {len(classes) - 12} more" if len(classes) > 12 else ""
    return Labels(indices, classes, f"Classes: {len(classes)} from {origin} ({shown}{more}).")
