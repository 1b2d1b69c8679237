"""Names of the files of a set that is written: such as its place can hold, and each of one file.

A name is kept where that can be. What gives way is the character that the place has another use for, the end of a long
name, and a file whose name another file or a folder has.
"""

import itertools
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from adavit.data.files.members import LABEL_FILE, normal

LONGEST_BYTES = 255
"""Of a name without its folders, on nearly every disk."""

_LONGEST_SUFFIX = 16


@dataclass(frozen=True)
class NameRules:
    """What a place does not allow of the names in it.

    Attributes:
        unfit: Characters that have another use there; each becomes "_".
        unfit_at_end: Characters that a name cannot end in; likewise.
        devices: Names that are no files there, whatever their suffix and case; "_" is put behind.
        alike: Whether names that differ in case or Unicode form alone are of one file there.
    """

    unfit: str = ""
    unfit_at_end: str = ""
    devices: frozenset[str] = frozenset()
    alike: bool = False


ZIP = NameRules(unfit=":\\")
"""Of what leads to a drive or into a folder once the zip is read, which must not come of the name of a file."""

_PORTS = {f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³"}

WINDOWS = NameRules(
    unfit='<>:"\\|?*' + "".join(map(chr, range(1, 32))),  # a colon leads to a stream of a file
    unfit_at_end=". ",
    devices=frozenset({"con", "prn", "aux", "nul"} | _PORTS),
    alike=True,
)

FOLDER = {"win32": WINDOWS, "darwin": NameRules(alike=True)}.get(sys.platform, NameRules())
"""Of folders on this system."""


class WrittenNames:
    """Chooses them.

    Args:
        rules: Of where they are written.
    """

    def __init__(self, rules: NameRules) -> None:
        self._rules = rules
        self._fit = str.maketrans(rules.unfit, "_" * len(rules.unfit))
        self._folders = {"": ""}  # as they are written, by what they are in the source
        self._exact = {LABEL_FILE}
        self._on_every_system = {_file_of(LABEL_FILE)}

    def keep_folders(self, files: Iterable[str]) -> None:
        """Has folders keep their names, where the place can hold them, as they may be classes.

        Args:
            files: Names of the files that will come, before any of them does.
        """
        parents = {str(each) for name in files for each in PurePosixPath(name).parents} - {"."}
        for folder in sorted(parents, key=lambda each: (self._changes(each), each)):
            self._folder(folder)

    def of_file(self, name: str) -> str:
        """The name of a file that is taken over as it is: its own, unless the place cannot hold it or a folder has it.

        Args:
            name: Path inside the source, with "/" between its parts.
        """
        folder, _, last = name.rpartition("/")
        stem, suffix = _parted(last)
        numbered = (self._fitted(stem, f"_{number}{suffix}") for number in itertools.count(2))
        choices = itertools.chain([self._fitted(stem, suffix)], numbered)
        return self._chosen(self._folder(folder), choices)

    def of_image(self, name: str, ending: str) -> str:
        """The name of a PNG that is made of an image, which is that of nothing else on any system.

        Args:
            name: Path of the image inside the source; its suffix becomes .png, and stays before it where the name is
                taken. Where it still is, a number follows.
            ending: What tells it from others that are made of the image, before the suffix.
        """
        folder, _, last = name.rpartition("/")
        stem, suffix = PurePosixPath(last).stem, PurePosixPath(last).suffix[:_LONGEST_SUFFIX]
        tails = itertools.chain(
            ["", suffix], (f"{suffix}_{number}" for number in itertools.count(2))
        )
        choices = (self._fitted(stem, f"{ending}{tail}.png") for tail in tails)
        return self._chosen(self._folder(folder), choices, on_every_system=True)

    def _folder(self, folder: str) -> str:
        if folder not in self._folders:
            parent, _, last = folder.rpartition("/")
            numbered = (self._fitted(last, f"_{number}") for number in itertools.count(2))
            choices = itertools.chain([self._fitted(last)], numbered)
            self._folders[folder] = self._chosen(self._folder(parent), choices)
        return self._folders[folder]

    def _changes(self, name: str) -> bool:
        return any(self._fitted(part) != part for part in name.split("/"))

    def _fitted(self, stem: str, tail: str = "") -> str:
        """A name that the place can hold; if it is too long, less of the stem."""
        stem, tail = stem.translate(self._fit), tail.translate(self._fit)
        first, dot, rest = stem.partition(".")
        if first.rstrip(" ").casefold() in self._rules.devices:
            stem = f"{first}_{dot}{rest}"
        while stem and len(os.fsencode(stem + tail)) > LONGEST_BYTES:
            stem = stem[:-1]
        name = stem + tail
        return f"{name[:-1]}_" if name.endswith(tuple(self._rules.unfit_at_end)) else name

    def _chosen(self, folder: str, choices: Iterable[str], *, on_every_system: bool = False) -> str:
        def is_free(name: str) -> bool:
            if on_every_system or self._rules.alike:
                return _file_of(name) not in self._on_every_system
            return name not in self._exact

        paths = (f"{folder}/{choice}" if folder else choice for choice in choices)
        name = next(filter(is_free, paths))
        self._exact.add(name)
        self._on_every_system.add(_file_of(name))
        return name


def _parted(name: str) -> tuple[str, str]:
    """Stem and suffix; what is too long to be a suffix is part of the stem."""
    suffix = PurePosixPath(name).suffix
    return (name, "") if len(suffix) > _LONGEST_SUFFIX else (name.removesuffix(suffix), suffix)


def _file_of(name: str) -> str:
    """The same for names that are of one file on macOS or Windows: those that differ in case or Unicode form alone."""
    return normal(normal(name).casefold())
