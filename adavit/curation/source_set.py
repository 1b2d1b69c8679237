"""A set with its files at hand: what is read of each image, and what is needed to write it somewhere else."""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from adavit.data.assemble import Progress
from adavit.data.dataset import LoadArguments, open_images
from adavit.data.files.collection import Collection, SourceImage
from adavit.data.files.formats import Unreadable
from adavit.data.files.members import normal, printable
from adavit.data.image_set import ImageSet
from adavit.data.labels import labels_from_file, labels_from_folders, read_label_file
from adavit.data.unusable_source import source_called
from adavit.errors import RunError


@dataclass(frozen=True)
class SourceSet:
    """A set and its files.

    Attributes:
        images: Decoded as for training.
        files: All files in the order of the set, those that cannot be read among them.
        labels: As `labels_given` gives them.
        folder: Where the files lie; None for a zip or a set that has none.
        has_files: Whether there are files at all.
    """

    images: ImageSet
    files: list[SourceImage]
    labels: dict[str, int] | None
    folder: Path | None
    has_files: bool

    @property
    def class_numbers(self) -> dict[str, int] | None:
        """The class of each file that was read, by its name; None without classes."""
        labels = self.images.labels
        if labels is None:
            return None
        return {self.file_of(index).name: label for index, label in enumerate(labels.tolist())}

    def file_of(self, index: int) -> SourceImage:
        """The file of an image; frames of one file share it."""
        return self.files[self.images.files[index] if self.images.files else index]

    def file_of_frame(self, name: str) -> SourceImage | None:
        """The file that a frame is one of, by the name that is shown; None of what is no frame.

        Of several that are shown alike it is the last.
        """
        return None if name in self._by_name else self._by_name.get(name.rpartition("#")[0])

    def class_of(self, index: int) -> str | None:
        """The class of an image, printable; None without classes."""
        labels = self.images.labels
        return None if labels is None else printable(self.images.classes[int(labels[index])])

    @functools.cached_property
    def _by_name(self) -> dict[str, SourceImage]:
        return {printable(file.name): file for file in self.files}


def labels_given(collection: Collection) -> dict[str, int] | None:
    """Labels by the normal form of the name; None without a dataset.json that counts, empty where it gives none."""
    if collection.label_file is None:
        return None
    found = read_label_file(collection.label_file)
    return {} if isinstance(found, str) else found


def labels_of_made(
    names: Mapping[str, str],
    given: Mapping[str, int] | None,
    *,
    classes: Mapping[str, int] | None,
) -> dict[str, int] | None:
    """Labels for what was made of files.

    A set gets no classes from some of its images that it has not itself: the one beside its sub-folders, or without a
    label, may not be among them; and where they are all of one class, folders in that folder would be taken for some.

    Args:
        names: Of the file by the name of what was made of it.
        given: As `labels_given` gives them.
        classes: The class of each file by its name; None where their set has none.

    Returns:
        By the name of what was made; None where its folders say the same, empty where it is to have no classes.
    """
    if given is None:
        labels, found = None, labels_from_folders(list(names))
    else:
        of_made = {made: given.get(normal(file)) for made, file in names.items()}
        labels = {made: label for made, label in of_made.items() if label is not None}
        by_normal_name = {normal(made): label for made, label in labels.items()}
        found = labels_from_file(list(names), by_normal_name)
    if found.indices is None:
        return labels
    if classes is None:
        return {}
    pairs = set(
        zip(found.indices.tolist(), (classes[file] for file in names.values()), strict=True)
    )
    are_the_same = len(pairs) == len({ours for ours, _ in pairs}) == len({own for _, own in pairs})
    return labels if are_the_same else {}


def no_longer_read(file: SourceImage, error: Unreadable) -> RunError:
    """For one that was read when the set was: its file has changed since, or what reads its format is not here."""
    return RunError(
        f"{printable(file.name)} was read before, but {error}. Start again when it can be read."
    )


@contextlib.contextmanager
def open_set(
    source: str, *, progress: Progress | None = None, **arguments: Unpack[LoadArguments]
) -> Iterator[SourceSet]:
    """A set with its files, which can be read until the block ends.

    Args:
        source: A folder, a zip or a name.
        progress: As for `load_images`.
        arguments: Likewise.

    Raises:
        UserError: As `load_images`; the message names the set alone.
    """
    with contextlib.ExitStack() as opened:
        with source_called(None):
            images, collection = opened.enter_context(
                open_images(source, progress=progress, **arguments)
            )
        path = Path(source)
        yield SourceSet(
            images,
            list(collection.images()),
            labels_given(collection),
            path.resolve() if path.is_dir() else None,
            collection.has_files,
        )
