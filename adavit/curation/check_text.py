"""What a check found as sentences, and as a record for JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from adavit.curation.check import DataCheck, names_of
from adavit.curation.expectation import MEASURED
from adavit.curation.file_facts import LOW_QUALITY
from adavit.curation.likeness import THRESHOLD
from adavit.curation.symmetry import DECISIVE, switched_off
from adavit.data.files.members import printable
from adavit.runtime.paths import quoted
from adavit.runtime.text_table import aligned
from adavit.runtime.wording import counted, listed

Section = tuple[str, list[str]]
"""A heading, and its lines."""

SWITCH_OFF = (
    "What is told apart draws images that the set does not hold. p stays below 0.8, so that it seldom leaks, and each"
    " operation helps against overfitting: switch off what must never be learnt. adavit leaks RUN measures it."
)
TESTED = (
    "A probe learns to tell images from changed ones and is tried on others: 0.5 is guessing. Told apart: the whole"
    f" interval of 99% is above {DECISIVE:g}; not told apart: below it; else it cannot be told."
)


def sections(check: DataCheck) -> list[Section]:
    """All that there is to say, by headings; those without anything are left out."""
    found = [
        ("Files", file_lines(check)),
        ("Copies", copy_lines(check)),
        ("Pixels", pixel_lines(check)),
        ("Classes", _classes(check)),
        ("Symmetries", [*symmetry_lines(check), *advice_lines(check)]),
        ("What to expect", expectation_lines(check)),
    ]
    return [(heading, lines) for heading, lines in found if lines]


def as_text(check: DataCheck) -> str:
    """The sections as lines for a terminal."""
    parts = [
        f"{heading}\n" + "\n".join(f"  {line}" for line in lines)
        for heading, lines in sections(check)
    ]
    return "\n".join(parts)


def headline(check: DataCheck) -> str:
    """The one sentence above all."""
    total, effective = len(check.images), check.effective
    clean = "none of them copies" if total == effective else f"{effective:,} without copies"
    broken = len(check.images.skipped)
    left = f"; {counted(broken, 'file', 'files')} left out" if broken else ""
    return f"{counted(total, 'image', 'images')}, {clean}{left}."


def file_lines(check: DataCheck, *, by_name: bool = True) -> list[str]:
    """What the files are like.

    Args:
        check: What was found.
        by_name: Whether files that could not be read, odd ones and JPEGs of low quality are named.
    """
    notes = [note for note in check.images.notes if by_name or not note.startswith("Skipped")]
    lines = [headline(check), *notes]
    if any(each.format for each in check.files):
        formats = [f"{name} {count:,}" for name, count in check.formats().items()]
        lines.append(f"Formats and modes: {listed(formats)}.")
    profiled = sum(each.has_profile for each in check.files)
    if profiled:
        lines.append(f"Colour profiles: {counted(profiled, 'file carries', 'files carry')} one.")
    qualities = check.qualities()
    if qualities:
        lines.append(
            f"JPEG: {counted(len(qualities), 'file', 'files')}, quality {qualities[0]} to {qualities[-1]},"
            f" median {qualities[len(qualities) // 2]}."
        )
    return [*lines, *(_named_files(check) if by_name else [])]


def _named_files(check: DataCheck) -> list[str]:
    low, odd, lines = check.low_quality, check.suspicious, []
    if low:
        names = listed(f"{each.name} ({each.quality})" for each in low)
        lines.append(
            f"Quality below {LOW_QUALITY}, whose blocks are seen: {counted(len(low), 'file', 'files')}: {names}."
        )
    if odd:
        shown = "; ".join(f"{name} {why}" for name, why in odd[:8])
        more = f"; and {len(odd) - 8:,} more" if len(odd) > 8 else ""
        lines.append(f"Suspicious: {counted(len(odd), 'file', 'files')}: {shown}{more}.")
    return lines


def copy_lines(check: DataCheck, *, by_name: bool = True) -> list[str]:
    """How many copies there are of each kind.

    Args:
        check: What was found.
        by_name: Whether some of each are named.
    """
    near, mirrored = (
        [[pair.first, pair.second] for pair in check.alike if pair.mirrored == flipped]
        for flipped in (False, True)
    )
    lines = []
    for count, one, many, groups in (
        (
            check.seen.copies,
            "image equals an earlier one",
            "images equal an earlier one",
            check.seen.equal,
        ),
        (len(near), "image is a near copy of another", "images are near copies of others", near),
        (
            len(mirrored),
            "image is a mirrored copy of another",
            "images are mirrored copies of others",
            mirrored,
        ),
        (
            len(check.across),
            "picture stands in more than one class",
            "pictures stand in more than one class",
            check.across,
        ),
        (
            len(check.twins),
            "image mirrors one of another class, which is not taken for a copy (b and d are two letters)",
            "images mirror ones of other classes, which are not taken for copies (b and d are two letters)",
            [[pair.first, pair.second] for pair in check.twins],
        ),
    ):
        if count:
            names = f": {_groups(check, groups)}" if by_name else ""
            lines.append(f"{counted(count, one, many)}{names}.")
    if not check.clusters:
        return ["None, neither equal pixels nor near ones, nor mirrored.", *lines]
    left = counted(check.effective, "image is", "images are")
    line = (
        f"{left} left without copies. Look at the pairs (--html): what is drawn from one pattern can be alike and no"
        " copy."
    )
    if check.images.names:  # a set known by name has no files to leave out
        line += " --write CLEANED leaves copies, blank images and broken files out."
    return [*lines, line]


def _groups(check: DataCheck, groups: Sequence[Sequence[int]]) -> str:
    shown = "; ".join(" = ".join(names_of(check, group[:4])) for group in groups[:4])
    return shown + (f"; and {len(groups) - 4:,} more" if len(groups) > 4 else "")


def pixel_lines(check: DataCheck, *, by_name: bool = True) -> list[str]:
    """Which images are of one colour, very dark or framed.

    Args:
        check: What was found.
        by_name: Whether some of each are named.
    """
    seen, lines = check.seen, []
    for found, one, many, remedy in (
        (
            seen.blank,
            "image is of one colour, or nearly",
            "images are of one colour, or nearly",
            "",
        ),
        (seen.dark, "image is very dark", "images are very dark", ""),
        (
            list(seen.frames),
            "image has a frame of one colour, which would be learnt",
            "images have a frame of one colour, which would be learnt",
            f" adavit data crop {quoted(check.given)} --trim --out TRIMMED cuts frames away.",
        ),
    ):
        if found:
            names = f": {listed(names_of(check, found))}" if by_name else ""
            lines.append(f"{counted(len(found), one, many)}{names}.{remedy}")
    if not lines:
        lines.append(
            "No near-constant or very dark images, and no frames of one colour (text is not looked for)."
        )
    if check.made_smaller:
        lines.append(
            f"Images were looked at as {check.images.resolution} px, where a frame thinner than a pixel is not seen; a"
            " larger --resolution looks closer."
        )
    return lines


def _classes(check: DataCheck) -> list[str]:
    counts = check.seen.class_counts
    if not counts:
        return []
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    (most, largest), (least, smallest) = ordered[0], ordered[-1]
    if largest == smallest:
        return [f"{len(counts)} classes of {counted(largest, 'image', 'images')} each."]
    line = (
        f"{len(counts)} classes, from {counted(smallest, 'image', 'images')} ({printable(least)}) to {largest:,}"
        f" ({printable(most)}), {check.seen.imbalance:.1f} times as many"
    )
    if largest < 2 * smallest:
        return [f"{line}."]
    subset = f"adavit data subset {quoted(check.given)} --count N --balanced --out EVEN"
    return [f"{line}; {subset} evens them out."]


def symmetry_lines(check: DataCheck) -> list[str]:
    """A table of the tests."""
    if not check.symmetries:
        return ["Too few images to tell."]
    rows = [
        (
            test.key,
            test.words,
            f"{test.accuracy:.2f}",
            f"{test.low:.2f} to {test.high:.2f}",
            test.verdict,
        )
        for test in check.symmetries
    ]
    return aligned([("key", "images", "right", "99%", "verdict"), *rows])


def advice_lines(check: DataCheck) -> list[str]:
    """What the tests advise on augmentation."""
    if not check.symmetries:
        return []
    line = switched_off(check.symmetries)
    free = [test.key for test in check.symmetries if test.verdict == "not told apart"]
    lines = [TESTED]
    if free:
        lines.append(
            f"Nothing to leak: {', '.join(free)}. The set looks the same either way; keep."
        )
    if line:
        lines += [SWITCH_OFF, f"All of it off: {line}"]
    return lines


def expectation_lines(check: DataCheck) -> list[str]:
    """The floor, and a sentence from the tables."""
    lines = []
    if check.floor is not None:
        half = check.floor.half
        lines.append(
            f"Floor: {half:,} real images score fd_random {check.floor.fd_random:.3g} against {half:,} others at"
            f" {check.images.resolution} px. It compares with {half:,} generated images against {half:,} real ones at"
            " that size; more of either score lower."
        )
    return [*lines, MEASURED]


def as_record(check: DataCheck) -> dict[str, Any]:
    """All of it for JSON, by names."""
    seen, images = check.seen, check.images

    def by_name(groups: Iterable[Sequence[int]]) -> list[list[str]]:
        return [names_of(check, group) for group in groups]

    return {
        "source": images.source,
        "fingerprint": images.fingerprint,
        "images": len(images),
        "effective_images": check.effective,
        "resolution": list(images.images.shape[2:]),
        "channels": images.channels,
        "notes": list(images.notes),
        "formats": check.formats(),
        "sizes": check.sizes(),
        "profiled_files": sum(each.has_profile for each in check.files),
        "broken": {each.name: each.reason for each in images.skipped},
        "suspicious": dict(check.suspicious),
        "jpeg_quality": {e.name: e.quality for e in check.files if e.quality is not None},
        "equal": by_name(seen.equal),
        "alike_threshold": THRESHOLD,
        "alike": [
            {
                "first": check.name(pair.first),
                "second": check.name(pair.second),
                "mirrored": pair.mirrored,
                "correlation": pair.correlation,
            }
            for pair in check.alike
        ],
        "clusters": by_name(check.clusters),
        "clusters_across_classes": by_name(check.across),
        "mirrored_across_classes": by_name([[pair.first, pair.second] for pair in check.twins]),
        "near_constant": names_of(check, seen.blank),
        "very_dark": names_of(check, seen.dark),
        "frames": {
            check.name(at): {"box": list(frame.box), "colour": list(frame.colour)}
            for at, frame in seen.frames.items()
        },
        "classes": seen.class_counts,
        "symmetries": [asdict(test) | {"verdict": test.verdict} for test in check.symmetries],
        "switch_off": switched_off(check.symmetries),
        "floor": None if check.floor is None else asdict(check.floor),
        "expectation": MEASURED,
        "mean": _mean(images.images),
    }


def _mean(images: np.ndarray) -> float:
    """Of all values, from 0 to 255; a set that is dark as a whole shows here."""
    step = max(1, len(images) // 500)
    return round(float(np.mean(images[::step])), 1)
