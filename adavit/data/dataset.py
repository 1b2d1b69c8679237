"""`load_images`: a folder, a zip or a name -> one uint8 array, decoded once and memory-mapped from the cache."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypedDict

import numpy as np

from adavit.data import cache
from adavit.data.assemble import (
    Progress,
    converted_blocks,
    decode_all,
    decoding_threads,
    sizes_of,
    white_of,
)
from adavit.data.channels import Channels, check_channels, decide_channels
from adavit.data.default_resolution import (
    default_resolution,
    describe_resolution,
    stretch_factor,
)
from adavit.data.digests import set_fingerprint
from adavit.data.files.collection import Collection, SourceImage, identify, open_files
from adavit.data.files.fit import FITS
from adavit.data.files.formats import READ_FORMATS
from adavit.data.files.members import Skipped, printable
from adavit.data.image_buffer import ImageBuffer
from adavit.data.image_set import ImageSet
from adavit.data.known_names import NAMES, is_there
from adavit.data.named_sets import open_name
from adavit.data.reading import DEFAULT_READING, Reading
from adavit.data.room import check_room, writable
from adavit.data.survey import Survey, describe_pixels
from adavit.data.unusable_source import UnusableSource
from adavit.runtime.cache_folder import cache_limit_bytes, default_cache_dir
from adavit.runtime.paths import takes_paths
from adavit.runtime.resolution import AnyResolution, Resolution
from adavit.runtime.wording import counted


class LoadArguments(TypedDict, total=False):
    """What of `load_images` decides which pixels a source gives, for what passes it on."""

    resolution: AnyResolution | None
    default_resolution_cap: int
    channels: Channels
    reading: Reading
    data_root: Path | None


@takes_paths("source", "data_root", "cache_dir")
def load_images(
    source: str,
    *,
    resolution: AnyResolution | None = None,
    default_resolution_cap: int = 256,
    channels: Channels = "auto",
    reading: Reading = DEFAULT_READING,
    data_root: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> ImageSet:
    """Load a set of images; from the cache if it was decoded before with the same settings.

    Args:
        source: A folder, a zip, or a name such as "small_set:5000" or "cifar10:test"; an existing path
            wins over a name.
        resolution: Height and width of the images, as `Resolution.of` takes them. None for what most images have, see
            `adavit.data.default_resolution`.
        default_resolution_cap: Side of the largest square that is chosen so, in pixels; 4 * 2^k.
        channels: "auto" finds the channels over the whole set.
        reading: Which frames are images, which sample is white, what becomes of other shapes, which links are followed.
        data_root: Where named sets are downloaded to; None for a folder in the cache.
        cache_dir: Where decoded sets are kept; None for `default_cache_dir()`.
        progress: Called with the number of files decoded and the number of all; not called when the
            cache has the set.

    Returns:
        The set. Files that cannot be read are left out and listed in it.

    Raises:
        UserError: If the source is neither a path nor a name, has no image that can be read, or
            needs a download that fails; or if a setting, or the limit of the cache, is out of its range.
        RunError: If the decoded images fit neither on the disk nor into the memory.
    """
    with open_images(
        source,
        resolution=resolution,
        default_resolution_cap=default_resolution_cap,
        channels=channels,
        reading=reading,
        data_root=data_root,
        cache_dir=cache_dir,
        progress=progress,
    ) as (image_set, _):
        return image_set


@contextmanager
def open_images(
    source: str,
    *,
    resolution: AnyResolution | None = None,
    default_resolution_cap: int = 256,
    channels: Channels = "auto",
    reading: Reading = DEFAULT_READING,
    data_root: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[ImageSet, Collection]]:
    """A set as `load_images` gives it, and its files, which can be read until the block ends."""
    asked = None if resolution is None else Resolution.of(resolution, named="data.resolution")
    Resolution.of(default_resolution_cap, named="default_resolution_cap")
    check_channels(channels)
    cache_limit_bytes()  # a wrong one would else be told once everything is decoded, and never where it is cached
    cache_dir = default_cache_dir() if cache_dir is None else cache_dir
    data_root = cache_dir / "downloads" if data_root is None else data_root
    side = None if asked is None else max(asked)
    with open_source(
        source, data_root, follow_links=reading.follow_links, drawn_px=side
    ) as collection:
        limit = f"an area of at most {default_resolution_cap} squared"
        size = limit if asked is None else str(asked.plain)
        key = identify(
            [f"version {cache.FORMAT_VERSION}", collection.source, size, channels, reading.key()]
        )
        stored = cache.load(cache_dir, key, collection.identity)
        if stored is None:
            stored = _decode(
                collection,
                cache_dir,
                key,
                resolution=asked,
                cap=default_resolution_cap,
                channels=channels,
                reading=reading,
                progress=progress,
            )
        yield stored, collection


def open_source(
    source: str,
    data_root: Path | None = None,
    *,
    follow_links: bool = False,
    drawn_px: int | None = None,
) -> AbstractContextManager[Collection]:
    """A folder, a zip or a name as a collection, before anything of it is decoded.

    Args:
        source: As for `load_images`.
        data_root: Likewise.
        follow_links: As of a `Reading`.
        drawn_px: Side in pixels that a drawn set should have at least; None for its usual one.
    """
    path = Path(source)
    if is_there(source):
        stem = path.resolve().name if path.is_dir() else path.resolve().stem
        return open_files(path, safe_name(stem), follow_links=follow_links)
    return open_name(source, data_root or default_cache_dir() / "downloads", drawn_px)


def safe_name(text: str) -> str:
    """Letters, digits, "_", "." and "-" of a text, at most 60; "images" if none are left."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")[:60].rstrip("-.") or "images"


def _decode(
    collection: Collection,
    cache_dir: Path,
    key: str,
    *,
    resolution: Resolution | None,
    cap: int,
    channels: Channels,
    reading: Reading,
    progress: Progress | None,
) -> ImageSet:
    """Decode a collection and keep it in the cache; see `load_images`."""
    sources = collection.images()
    with decoding_threads() as threads:
        measured = sources[:1] if collection.one_size else sources
        chosen = resolution or _default(measured, cap, threads)
        folder = writable(cache_dir)
        check_room(len(sources), chosen, folder)
        with ImageBuffer((4, *chosen), folder) as buffer:
            fit = FITS[reading.fit]
            white = white_of(reading, sources, threads, resolution=chosen, fit=fit)
            survey = decode_all(
                sources,
                buffer,
                threads,
                progress,
                frames=reading.frames,
                white=white,
                fit=fit,
            )
            skipped = sorted((*collection.skipped, *survey.skipped), key=lambda each: each.name)
            if not survey.kept:
                raise no_readable_image(collection.source, skipped)
            count, channel_notes = decide_channels(
                channels, transparent=survey.transparent, coloured=survey.coloured
            )
            labels = collection.labels(survey.kept)
            images, fingerprint, error = _keep_pixels(
                cache_dir, buffer, survey, count, labels.indices
            )
    notes = [
        _describe_sizes(printable(collection.source), survey),
        describe_resolution(
            survey.sizes, chosen, cap=cap if resolution is None else None, fit=reading.fit
        ),
        *channel_notes,
        *describe_pixels(survey, reading),
        labels.note,
        *([_describe_skipped(skipped)] if skipped else []),
    ]
    image_set = ImageSet(
        name=collection.name,
        images=images,
        labels=labels.indices,
        classes=labels.classes,
        fingerprint=fingerprint,
        skipped=tuple(skipped),
        source=collection.source,
        notes=tuple(notes),
        names=tuple(survey.names) if collection.has_files else (),
        files=() if survey.kept == list(range(len(survey.kept))) else tuple(survey.kept),
        stretch=stretch_factor(survey.sizes, chosen) if reading.fit == "stretch" else None,
        inside=tuple(survey.inside) if any(survey.inside) else (),
        discriminator_saw=survey.discriminator_saw,
    )
    # What the system refused now is no fact about the files: then the next run looks again.
    if error is None and not survey.unavailable:
        try:
            cache.store(cache_dir, key, collection.identity, image_set, survey.not_read)
        except OSError as later:
            error = later
    if error is None:
        return image_set
    note = (
        f"The decoded set is not kept for the next run: the cache {cache_dir} cannot be written "
        f"({error.strerror}). Name another folder with ADAVIT_CACHE to load it faster next time."
    )
    return dataclasses.replace(image_set, notes=(*notes, note))


def _default(sources: Sequence[SourceImage], cap: int, threads: ThreadPoolExecutor) -> Resolution:
    sizes = sizes_of(sources, threads)
    return default_resolution(sizes, cap) if sizes else Resolution(cap, cap)


def _keep_pixels(
    cache_dir: Path,
    buffer: ImageBuffer,
    survey: Survey,
    channels: int,
    labels: np.ndarray | None,
) -> tuple[np.ndarray, str, OSError | None]:
    """The pixels in the cache; or in memory, with the error, where it cannot be written."""
    shape = (len(buffer), channels, *buffer.shape[1:])

    def blocks() -> Iterator[np.ndarray]:
        return converted_blocks(buffer, channels, survey.inside)

    try:
        return *cache.store_pixels(cache_dir, shape, blocks(), labels), None
    except OSError as error:
        images = np.concatenate(list(blocks()))
        images.flags.writeable = False
        return images, set_fingerprint(images, labels), error


def no_readable_image(source: str, skipped: Sequence[Skipped]) -> UnusableSource:
    """The error of a set that has no image, with the reasons.

    Args:
        source: Of its collection.
        skipped: All of its files.
    """
    files = told_skipped(skipped) if skipped else "it has no files, hidden ones apart"
    name = Path(source).name
    hides = (
        f" For the known set {name} rename the folder, which comes first." if name in NAMES else ""
    )
    return UnusableSource(
        source,
        f"has no image that can be read ({files}), but must have at least one. "
        f"Give a folder or zip of images: {READ_FORMATS}.{hides}",
    )


def told_skipped(skipped: Sequence[Skipped]) -> str:
    """What was skipped, one file at least, and why, of the first five."""
    listed = "; ".join(f"{each.name} {each.reason}" for each in skipped[:5])
    more = f"; and {len(skipped) - 5} more" if len(skipped) > 5 else ""
    return f"{counted(len(skipped), 'file was', 'files were')} skipped: {listed}{more}"


def _describe_sizes(source: str, survey: Survey) -> str:
    (width, height), most = survey.sizes.most_common(1)[0]
    total = len(survey.kept)
    if most == total:
        images = counted(total, "image", "images")
        return f"Found {images} of {_size(width, height)} in {source}."
    sides = [min(size) for size in survey.sizes]
    return (
        f"Found {total:,} images in {source}, smaller sides from {min(sides)} to {max(sides)} px, "
        f"most often {_size(width, height)}."
    )


def _size(width: int, height: int) -> str:
    """Not as a resolution, whose height comes first."""
    if width == height:
        return f"{width}x{height} px"
    return f"{width} px in width and {height} in height"


def _describe_skipped(skipped: Sequence[Skipped]) -> str:
    listed = "; ".join(f"{each.name} {each.reason}" for each in skipped[:10])
    more = f"; and {len(skipped) - 10} more" if len(skipped) > 10 else ""
    return f"Skipped {counted(len(skipped), 'file', 'files')}: {listed}{more}."
