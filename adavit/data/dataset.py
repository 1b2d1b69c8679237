"""`load_images`: a folder, a zip or a name -> one uint8 array, decoded once and memory-mapped from the cache."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adavit.data import cache
from adavit.data.assemble import (
    Progress,
    Survey,
    check_resolution,
    choose_resolution,
    converted_blocks,
    decode_all,
    decoding_threads,
)
from adavit.data.channels import Channels, check_channels, decide_channels
from adavit.data.digests import fingerprint_start
from adavit.data.files.collection import Collection, identify, open_files
from adavit.data.files.members import Skipped, printable
from adavit.data.image_buffer import ImageBuffer
from adavit.data.named_sets import open_name
from adavit.errors import UserError


@dataclass(frozen=True)
class ImageSet:
    """A set of images, all of one size.

    Attributes:
        name: Short and safe as part of a file name, e.g. "small_set" or the stem of a zip.
        images: uint8 [N, C, R, R], usually a read-only memory map; C is 1 (grey), 3 (RGB) or 4
            (RGBA, colour not multiplied by alpha).
        labels: int64 [N] into `classes`, or None when no classes were found.
        classes: Names of the classes; empty without labels.
        fingerprint: SHA-256 of shape, pixels and labels, in hexadecimal.
        skipped: Files that are not among the images, with the reasons.
        source: The resolved path, or the name as given.
        notes: Sentences for the log: what was found and what was done to it.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]
    fingerprint: str
    skipped: tuple[Skipped, ...]
    source: str
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


def load_images(
    source: str,
    *,
    resolution: int | None = None,
    default_resolution_cap: int = 256,
    channels: Channels = "auto",
    data_root: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> ImageSet:
    """Load a set of images; from the cache if it was decoded before with the same settings.

    Args:
        source: A folder, a zip, or a name such as "small_set" or "cifar10:test"; an existing path
            wins over a name.
        resolution: Side of the images in pixels, 4 * 2^k. None for the largest power of two that
            fits the smaller side of most images, at most `default_resolution_cap`.
        default_resolution_cap: Upper limit of that default in pixels.
        channels: "auto" finds the channels over the whole set.
        data_root: Where named sets are downloaded to; None for a folder in the cache.
        cache_dir: Where decoded sets are kept; None for `default_cache_dir()`.
        progress: Called with the number of files decoded and the number of all; not called when the
            cache has the set.

    Returns:
        The set. Files that cannot be read are left out and listed in it.

    Raises:
        UserError: If the source is neither a path nor a name, has no image that can be read, or
            needs a download that fails; or if a setting is out of its range.
    """
    if resolution is not None:
        check_resolution(resolution)
    check_resolution(default_resolution_cap, "default_resolution_cap")
    check_channels(channels)
    cache_dir = cache.default_cache_dir() if cache_dir is None else cache_dir
    data_root = cache_dir / "downloads" if data_root is None else data_root
    folder = cache_dir / "images"
    with _open(source, data_root) as collection:
        size = f"at most {default_resolution_cap}" if resolution is None else str(resolution)
        key = identify([f"version {cache.FORMAT_VERSION}", collection.identity, size, channels])
        found = _from_entry(cache.load(folder, key), collection)
        if found is not None:
            return found
        builder = _Builder(collection, folder, key, channels, progress)
        return builder.build(resolution, default_resolution_cap)


def _open(source: str, data_root: Path) -> AbstractContextManager[Collection]:
    path = Path(source).expanduser()
    try:
        exists = bool(source) and path.exists()
    except (OSError, ValueError):  # a name too long for a path, or with a null character
        exists = False
    if exists:
        stem = path.resolve().name if path.is_dir() else path.resolve().stem
        return open_files(path, safe_name(stem))
    return open_name(source, data_root)


def safe_name(text: str) -> str:
    """Letters, digits, "_", "." and "-" of a text, at most 60; "images" if none are left."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")[:60].rstrip("-.") or "images"


def _from_entry(entry: cache.Entry | None, collection: Collection) -> ImageSet | None:
    if entry is None:
        return None
    try:
        labels = entry.record["labels"]
        indices = None if labels is None else np.asarray(labels, dtype=np.int64)
        if indices is not None and indices.shape != (len(entry.images),):
            return None
        return ImageSet(
            name=collection.name,
            images=entry.images,
            labels=indices,
            classes=tuple(str(name) for name in entry.record["classes"]),
            fingerprint=entry.fingerprint,
            skipped=tuple(Skipped(str(name), str(why)) for name, why in entry.record["skipped"]),
            source=collection.source,
            notes=tuple(str(note) for note in entry.record["notes"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


class _Builder:
    """Decodes one collection and stores the result."""

    def __init__(
        self,
        collection: Collection,
        folder: Path,
        key: str,
        channels: Channels,
        progress: Progress | None,
    ) -> None:
        self._collection = collection
        self._folder = folder
        self._key = key
        self._channels = channels
        self._progress = progress

    def build(self, resolution: int | None, cap: int) -> ImageSet:
        """Decode everything; see `load_images`."""
        images = self._collection.images()
        with decoding_threads() as threads:
            chosen = resolution or choose_resolution(images, cap, threads) or cap
            with ImageBuffer((4, chosen, chosen), _writable(self._folder)) as buffer:
                survey = decode_all(images, buffer, chosen, threads, self._progress)
                return self._finish(survey, buffer, chosen, resolution is None, cap)

    def _finish(
        self,
        survey: Survey,
        buffer: ImageBuffer,
        resolution: int,
        is_default: bool,
        cap: int,
    ) -> ImageSet:
        skipped = sorted((*self._collection.skipped, *survey.skipped), key=lambda each: each.name)
        if not survey.kept:
            raise UserError(_no_image(printable(self._collection.source), skipped))
        labels = self._collection.labels(survey.kept)
        count, channel_notes = decide_channels(self._channels, survey.census)
        notes = [
            _describe_sizes(printable(self._collection.source), survey),
            _describe_resolution(survey, resolution, is_default, cap),
            *channel_notes,
            labels.note,
        ]
        if skipped:
            notes.append(_describe_skipped(skipped))
        record = {
            "labels": None if labels.indices is None else labels.indices.tolist(),
            "classes": list(labels.classes),
            "skipped": [[each.name, each.reason] for each in skipped],
            "notes": notes,
        }
        shape = (len(buffer), count, resolution, resolution)
        entry = self._store(
            shape, lambda: converted_blocks(buffer, resolution, count), labels.indices, record
        )
        image_set = _from_entry(entry, self._collection)
        assert image_set is not None
        return image_set

    def _store(
        self,
        shape: tuple[int, ...],
        blocks: Callable[[], Iterator[np.ndarray]],
        labels: np.ndarray | None,
        record: dict[str, object],
    ) -> cache.Entry:
        try:
            return cache.store(self._folder, self._key, shape, blocks(), labels, record)
        except OSError as error:
            images = np.concatenate(list(blocks()))
            digest = fingerprint_start(shape, labels)
            digest.update(images.tobytes())
            images.flags.writeable = False
            note = (
                f"The decoded set is kept in memory only: the cache {self._folder} cannot be written "
                f"({error.strerror}). Name another folder with ADAVIT_CACHE to load it faster next time."
            )
            record = {**record, "notes": [*record["notes"], note]}  # type: ignore[misc]
            return cache.Entry(images, digest.hexdigest(), record)


def _writable(folder: Path) -> Path | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


def _no_image(source: str, skipped: Sequence[Skipped]) -> str:
    listed = "; ".join(f"{each.name} {each.reason}" for each in skipped[:5])
    more = f"; and {len(skipped) - 5} more" if len(skipped) > 5 else ""
    files = f"{len(skipped)} files were skipped: {listed}{more}" if skipped else "it has no files"
    return (
        f"data.source '{source}' has no image that can be read ({files}), but must have at least one. "
        "Give a folder or zip with PNG, JPEG, WebP, BMP or TIFF files."
    )


def _describe_sizes(source: str, survey: Survey) -> str:
    (width, height), most = survey.sizes.most_common(1)[0]
    total = len(survey.kept)
    if most == total:
        return f"Found {total} images of {width}x{height} px in {source}."
    sides = [min(size) for size in survey.sizes]
    return (
        f"Found {total} images in {source}, smaller sides from {min(sides)} to {max(sides)} px, "
        f"most often {width}x{height} px."
    )


def _describe_resolution(survey: Survey, resolution: int, is_default: bool, cap: int) -> str:
    total = len(survey.kept)
    fitting = sum(count for size, count in survey.sizes.items() if min(size) >= resolution)
    if not is_default:
        why = "as asked for"
    elif (
        sum(count for size, count in survey.sizes.items() if min(size) >= 2 * resolution) * 2
        > total
    ):
        why = f"the default's limit here is {cap}; most images are larger"
    else:
        why = f"the largest power of two that fits {fitting} of {total} images"
    enlarged = f"; {total - fitting} smaller ones are enlarged" if fitting < total else ""
    unequal = any(width != height for width, height in survey.sizes)
    crop = "centre squares, " if unequal else ""
    resized = any(min(size) != resolution for size in survey.sizes)
    how = f" {crop}resized with Lanczos" if resized else f" {crop}not resized"
    return f"Resolution: {resolution}x{resolution} ({why}{enlarged});{how}."


def _describe_skipped(skipped: Sequence[Skipped]) -> str:
    listed = "; ".join(f"{each.name} {each.reason}" for each in skipped[:10])
    more = f"; and {len(skipped) - 10} more" if len(skipped) > 10 else ""
    return f"Skipped {len(skipped)} files: {listed}{more}."
