"""A cleaned set: the files of a set without those of copies and blank images alone, and without broken ones.

The set itself stays as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from adavit.curation.check import DataCheck
from adavit.curation.source_set import SourceSet, labels_of_made, no_longer_read
from adavit.curation.written_set import check_names, written_set
from adavit.data.files.collection import SourceImage
from adavit.data.files.formats import Unavailable, Unreadable
from adavit.data.files.members import printable
from adavit.errors import RunError, UserError

LOSSLESS = 101
"""Stands for the quality of what is no JPEG."""


@dataclass(frozen=True)
class Cleaned:
    """What was written.

    Attributes:
        files: How many.
        copies: Images left out because another one shows the same.
        doubtful: Images left out because they show the same in different classes, of which one must be wrong.
        blank: Near-constant images left out.
        unread: Files and frames left out because they are no images of the set: they cannot be read, or stand in it
            twice.
        staying: Images that are one of these four and yet in what was written, as frames of files that have others.
    """

    files: int
    copies: int
    doubtful: int
    blank: int
    unread: int
    staying: int


def check_cleanable(opened: SourceSet, given: str, out: Path) -> None:
    """Refuses sets whose files cannot be written, before they are looked at.

    Args:
        opened: The set.
        given: As the user named it.
        out: As for `write_cleaned`.

    Raises:
        UserError: If it has none, or names that `out` cannot hold.
    """
    if not opened.has_files:
        raise UserError(
            f"--write was given for {given!r}, which has no files, expected a folder or a zip. adavit data subset"
            " writes the images of a named set as files."
        )
    check_names((opened.file_of(at).name for at in range(len(opened.images))), out, "--write")


def write_cleaned(check: DataCheck, opened: SourceSet, out: Path) -> Cleaned:
    """Writes what is worth training on: links to the files of a folder where the disk has them, else copies.

    Of a cluster of copies the file with most pixels is kept, then the one of the best JPEG quality, then the first;
    of those that show the same in several classes none, as nobody knows which of them is right.

    Args:
        check: Of the set.
        opened: The set.
        out: A new or empty folder, or a zip.

    Raises:
        UserError: As `written_set`, and if nothing would be left.
        RunError: If it cannot be written.
    """
    facts = {each.name: each for each in check.files}

    def worth(index: int) -> tuple[int, int, int]:
        known = facts.get(printable(opened.file_of(index).name))
        pixels = 0 if known is None else known.size[0] * known.size[1]
        quality = LOSSLESS if known is None or known.quality is None else known.quality
        return pixels, quality, -index

    doubtful = {index for group in check.across for index in group}
    copies: set[int] = set()
    for group in check.clusters:
        if certain := set(group) - doubtful:
            copies |= certain - {max(certain, key=worth)}
    blank = set(check.seen.blank) - copies - doubtful
    left_out = copies | doubtful | blank
    kept = [at for at in range(len(check.images)) if at not in left_out]
    # Frames of one file share it, and it stays while one of them does.
    files = {file.name: file for file in map(opened.file_of, kept)}
    if not files:
        raise UserError(
            f"no image of {check.given!r} would be left, expected at least one that is neither a copy nor blank."
            " Look at what the check says of it."
        )
    origins: dict[str, str] = {}
    with written_set(out, "--write", check.given) as writer:
        writer.expect(files)
        for name, file in files.items():
            if opened.folder is not None:
                path = opened.folder / name
                _check_readable(file, path)
                written = writer.link(name, path)
            else:
                written = writer.add(name, _content(file))
            origins[written] = name
        writer.add_labels(labels_of_made(origins, opened.labels, classes=opened.class_numbers))

    def in_what_stays(found: Iterable[SourceImage | None]) -> int:
        return sum(file is not None and file.name in files for file in found)

    skipped = check.images.skipped
    staying = [in_what_stays(map(opened.file_of, group)) for group in (copies, doubtful, blank)]
    staying.append(in_what_stays(opened.file_of_frame(each.name) for each in skipped))
    return Cleaned(
        len(files),
        copies=len(copies) - staying[0],
        doubtful=len(doubtful) - staying[1],
        blank=len(blank) - staying[2],
        unread=len(skipped) - staying[3],
        staying=sum(staying),
    )


def _check_readable(file: SourceImage, path: Path) -> None:
    """Tells a file that has gone since the check from a place that cannot be written to."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise no_longer_read(file, Unavailable(f"cannot be read ({error.strerror})")) from None


def _content(file: SourceImage) -> bytes:
    try:
        with file.open() as image:
            content = image.content()
    except Unreadable as error:
        raise no_longer_read(file, error) from None
    if content is None:
        raise RunError(f"{printable(file.name)} no longer exists. Run the check again.")
    return content
