"""A set that is being written, into a folder or a zip: it appears once it is complete, and not at all otherwise."""

import contextlib
import errno
import io
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from adavit.curation.written_names import FOLDER, ZIP, WrittenNames
from adavit.data.channels import is_coloured, is_transparent
from adavit.data.files.members import LABEL_FILE, printable
from adavit.errors import RunError, UserError, first_line
from adavit.runtime.drawn_images import drawn_png
from adavit.runtime.files import put_in_place, unfinished_file
from adavit.runtime.signals import stopped_at_once

_PERMISSIONS = 0o644 << 16

_REMEDY = "Look at the disk and its connection, or choose another place."
_REMEDIES: dict[int | None, str] = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Free some space, or choose another disk."
    ),
    errno.ENAMETOOLONG: "Choose a shorter path, or write to a .zip.",
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS), "Change the permissions, or choose another place."
    ),
    **dict.fromkeys((errno.ENOTEMPTY, errno.EEXIST), "Choose a new or an empty folder."),
}


class SetWriter:
    """Takes the files of a set."""

    def __init__(self, names: WrittenNames) -> None:
        self._names = names

    def expect(self, files: Iterable[str]) -> None:
        """Has folders keep their names, whatever files would be called.

        Args:
            files: Names of those that will come, before any of them does.
        """
        self._names.keep_folders(files)

    def add(self, name: str, content: bytes) -> str:
        """Writes a file.

        Args:
            name: Path inside the set, with "/" between its parts; must not lead out of it.
            content: All of it.

        Returns:
            The name it has got: another one where the place cannot hold its own.
        """
        chosen = self._name_of(name)
        self._write(chosen, content)
        return chosen

    def link(self, name: str, path: Path) -> str:
        """Writes a file as a second name of another one, or as its copy where that cannot be; as `add`."""
        return self.add(name, path.read_bytes())

    def add_image(
        self,
        name: str,
        planes: np.ndarray,
        discriminator_saw: Sequence[str] | None,
        ending: str = "",
    ) -> str:
        """Writes an image as PNG, grey or opaque where it is.

        Args:
            name: Of the image that it was made from, for `WrittenNames.of_image`.
            planes: uint8 [4, H, W], red, green, blue, alpha.
            discriminator_saw: As of `Decoded`, of the image that it was made from; goes with it.
            ending: What tells it from others that are made from that image.

        Returns:
            The name it has got.
        """
        chosen = self._names.of_image(name, ending)
        self._write(chosen, png_of(planes, discriminator_saw))
        return chosen

    def add_labels(self, labels: Mapping[str, int] | None) -> None:
        """Writes StyleGAN's dataset.json.

        Args:
            labels: By name; empty where there are no classes, whatever the folders; None where these are the classes.
        """
        if labels is not None:
            entries = {"labels": [[name, label] for name, label in labels.items()] or None}
            content = f"{json.dumps(entries)}\n".encode(errors="backslashreplace")
            self._write(LABEL_FILE, content)

    def _name_of(self, name: str) -> str:
        assert not name.startswith("/"), f"{name} leads out of the set"
        assert not {"", ".", ".."} & set(name.split("/")), f"{name} leads out of the set"
        return self._names.of_file(name)

    def _write(self, name: str, content: bytes) -> None:
        raise NotImplementedError


class _FolderWriter(SetWriter):
    def __init__(self, folder: Path) -> None:
        super().__init__(WrittenNames(FOLDER))
        self._folder = folder

    def link(self, name: str, path: Path) -> str:
        chosen = self._name_of(name)
        target = self._target(chosen)
        try:
            os.link(path.resolve(), target)
        except OSError:  # another disk, or one that knows no links
            shutil.copyfile(path, target)
        return chosen

    def _write(self, name: str, content: bytes) -> None:
        self._target(name).write_bytes(content)

    def _target(self, name: str) -> Path:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


class _ZipWriter(SetWriter):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        super().__init__(WrittenNames(ZIP))
        self._archive = archive

    def _write(self, name: str, content: bytes) -> None:
        info = zipfile.ZipInfo(name)  # with a date of 1980, so that equal sets are equal files
        info.external_attr = _PERMISSIONS
        self._archive.writestr(info, content)


@contextlib.contextmanager
def written_set(target: Path, flag: str, source: str) -> Iterator[SetWriter]:
    """A set to be written, which gets its name when the block ends without an error.

    Args:
        target: A folder that is not there or is empty; or, by its suffix, a zip that is not there.
        flag: What the user named it by, for messages.
        source: The set that it is made from; it is never written to.

    Yields:
        What takes its files.

    Raises:
        UserError: If it cannot be written there.
        RunError: If the disk is full, or fails.
        Stopped: After Ctrl-C, SIGTERM or SIGHUP; nothing is left of it then.
    """
    check_target(target, flag, source)
    place = (
        target.resolve()
    )  # of a link what it leads to: a folder cannot take the place of the link
    with stopped_at_once(), _unwritten(target, flag):
        if _is_zip(target):
            with (
                unfinished_file(place.parent, f".{place.name}.") as (file, finish),
                zipfile.ZipFile(file, "w") as archive,
            ):
                yield _ZipWriter(archive)
                archive.close()
                finish(place)
            return
        unfinished = place.parent / f".{place.name}.{os.getpid()}-{secrets.token_hex(4)}.partial"
        try:
            unfinished.mkdir()
            yield _FolderWriter(unfinished)
            if place.is_dir():
                place.rmdir()  # on Windows not even an empty folder gives way
            put_in_place(unfinished, place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


@contextlib.contextmanager
def _unwritten(target: Path, flag: str) -> Iterator[None]:
    """Says of an error of the system what it means for a set."""
    try:
        yield
    except OSError as error:
        why = error.strerror or first_line(error)
        remedy = _REMEDIES.get(error.errno, _REMEDY)
        raise RunError(
            f"{flag} {str(target)!r} could not be written ({why}), and nothing is left there. {remedy}"
        ) from error


def check_target(target: Path, flag: str, source: str) -> None:
    """Refuses a place that a set cannot be written to, before time is spent on it; arguments as for `written_set`.

    Raises:
        UserError: If it is inside the source, taken, or may not be written.
    """
    resolved, of_source = target.resolve(), Path(source).resolve()
    if resolved == of_source or (of_source.is_dir() and of_source in resolved.parents):
        raise UserError(
            f"{flag} {str(target)!r} lies inside the images {source!r}, expected a place outside, as it"
            " would become a part of them. Choose another."
        )
    is_zip = _is_zip(target)
    try:
        if resolved.exists() and (is_zip or not resolved.is_dir() or any(resolved.iterdir())):
            expected = "a zip that is not there yet" if is_zip else "a new or an empty folder"
            raise UserError(
                f"{flag} {str(target)!r} is there already, expected {expected}. Choose another, or remove it."
            )
        if os.path.ismount(resolved):
            raise UserError(
                f"{flag} {str(target)!r} is where a disk is mounted, which gives way to no other folder, expected a"
                " folder on that disk. Name a new one in it."
            )
        resolved.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{flag} {str(target)!r} cannot be made ({error.strerror}), expected a place for images."
            " Choose another."
        ) from None
    if not os.access(resolved.parent, os.W_OK):
        raise UserError(
            f"{flag} {str(target)!r} cannot be made (its folder may not be written to), expected a place"
            " for images. Choose another, or change the permissions."
        )


def check_names(names: Iterable[str], target: Path, flag: str) -> None:
    """Refuses names that a set cannot have at its place, before time is spent on it.

    Args:
        names: Of the files that it is made from.
        target: As for `written_set`.
        flag: Likewise.

    Raises:
        UserError: If a zip is to hold a name that is not UTF-8, as folders may.
    """
    if not _is_zip(target):
        return
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UserError(
                f"{flag} {str(target)!r} cannot hold the file '{printable(name)}', whose name is not UTF-8, as it must"
                " be in a zip. Write to a folder, or rename the file."
            ) from None


def _is_zip(target: Path) -> bool:
    return target.suffix.lower() == ".zip"


def png_of(planes: np.ndarray, discriminator_saw: Sequence[str] | None = None) -> bytes:
    """An image as the content of a PNG file, with as many channels as it needs.

    Args:
        planes: uint8 [4, H, W], red, green, blue, alpha.
        discriminator_saw: What it says of the generator that drew it, as of `Decoded`; None for nothing.
    """
    if is_transparent(planes):
        image = Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0)))
    elif is_coloured(planes):
        image = Image.fromarray(np.ascontiguousarray(planes[:3].transpose(1, 2, 0)))
    else:
        image = Image.fromarray(np.ascontiguousarray(planes[0]))
    if discriminator_saw is not None:
        return drawn_png(image, discriminator_saw)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
