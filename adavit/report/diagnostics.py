"""What `adavit memorisation` and `adavit leaks` have found, ready for the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adavit.report.pictures import EmbeddedPicture, encoded_picture
from adavit.report.run import Run
from adavit.report.seed_groups import SeedGroup
from adavit.runs.directory import RunDirectory
from adavit.runs.reading import mapping, number, text
from adavit.runtime.wording import counted

SIDES = (1800, 1200, 800)
"""Pixels of a picture of pairs, at most; the first at which all pictures fit is taken."""

DISTANCE_HEADS = (
    "generated: closer",
    "held out: closer",
    "generated: median",
    "held out: median",
    "training: median",
)
"""Columns of `Diagnosis.distances`."""


@dataclass(frozen=True)
class LeakLine:
    """One operation.

    Attributes:
        operation: Its name.
        accuracy: Balanced accuracy of the probe, as text.
        rate: Share among generated images with its interval, as text; empty where it cannot be told.
        control: The same among held-out real images.
        remark: Why it cannot be told, or that it is doubtful.
        interval: Low end, estimate and high end of the rate in percent, to be drawn; None without.
    """

    operation: str
    accuracy: str
    rate: str
    control: str
    remark: str
    interval: tuple[float, float, float] | None


@dataclass(frozen=True)
class Diagnosis:
    """The findings of one run.

    Attributes:
        label: Which run.
        pairs: Picture of the closest pairs, or None.
        distances: To the nearest training images, a line per space of comparison: its name, and one for each of
            `DISTANCE_HEADS`.
        duplicates: A sentence on copies inside the data, or nothing.
        leaks: A line per operation.
        leak_warning: What makes all of those lines doubtful, or nothing.
    """

    label: str
    pairs: EmbeddedPicture | None
    distances: list[tuple[str, list[str]]]
    duplicates: str
    leaks: list[LeakLine]
    leak_warning: str

    @property
    def size(self) -> int:
        """Bytes of the picture."""
        return len(self.pairs.uri) if self.pairs else 0


def build_diagnostics(groups: Sequence[SeedGroup], budget: int) -> list[Diagnosis]:
    """The findings of every run that has some; pictures as far as `budget` bytes go."""
    pictures = _pictures([run for group in groups for run in group.runs], budget)
    found = []
    for group in groups:
        for run in group.runs:
            item = Diagnosis(
                label=group.label_of(run),
                pairs=pictures.get(run.path),
                distances=_distances(run),
                duplicates=_duplicates(mapping(run.memorisation.get("duplicates"))),
                leaks=leak_lines(run.leaks),
                leak_warning=text(run.leaks.get("warning")),
            )
            if item.pairs or item.distances or item.leaks:
                found.append(item)
    return found


def _pictures(runs: Sequence[Run], budget: int) -> dict[Path, EmbeddedPicture]:
    recorded = [run for run in runs if run.memorisation]  # which says what the picture is of
    pictures: dict[Path, EmbeddedPicture] = {}
    for side in SIDES:
        encoded = {run.path: encoded_picture(_pairs_of(run), side=side) for run in recorded}
        pictures = {path: picture for path, picture in encoded.items() if picture is not None}
        if sum(len(picture.uri) for picture in pictures.values()) <= budget:
            return pictures
    kept: dict[Path, EmbeddedPicture] = {}
    for path, picture in pictures.items():  # too many even when small: the first of them
        budget -= len(picture.uri)
        if budget < 0:
            break
        kept[path] = picture
    return kept


def _pairs_of(run: Run) -> Path:
    return RunDirectory(run.path).diagnostics.closest_pairs


def _distances(run: Run) -> list[tuple[str, list[str]]]:
    lines = []
    for name, space in mapping(run.memorisation.get("spaces")).items():
        sides = [mapping(mapping(space).get(side)) for side in ("generated", "heldout")]
        medians = [number(side.get("median")) for side in sides]
        medians.append(number(mapping(space).get("leave_one_out_median")))
        figures = [_share_closer(side) for side in sides]
        figures += ["" if median is None else f"{median:.4g}" for median in medians]
        unit = text(mapping(space).get("distance"))
        lines.append((f"{name} ({unit})" if unit else str(name), figures))
    return lines


def _share_closer(side: dict[str, Any]) -> str:
    share, interval = number(side.get("share_closer")), side.get("share_interval")
    if share is None:
        return ""
    ends = [number(end) for end in interval] if isinstance(interval, list) else []
    if len(ends) != 2 or None in ends:
        return f"{share:.1%}"
    low, high = (f"{end:.1%}" for end in ends)
    return f"{share:.1%} [{low}, {high}]"


def _duplicates(record: dict[str, Any]) -> str:
    copies, near = (number(record.get(key)) for key in ("exact_copies", "near_pairs"))
    if copies is None or near is None:
        return ""
    images = number(record.get("images"))
    among = f" of {images:,.0f} images" if images is not None else ""
    exact = counted(int(copies), "exact copy", "exact copies")
    return (
        f"Inside the data{among}: {exact} and {counted(int(near), 'pair', 'pairs')} nearly alike."
    )


def leak_lines(record: dict[str, Any]) -> list[LeakLine]:
    """The operations of a `leaks.json`, in its order; what is damaged is left out."""
    entries = record.get("operations")
    if not isinstance(entries, list):
        return []
    return [_line(entry) for entry in entries if isinstance(entry, dict)]


def _line(entry: dict[str, Any]) -> LeakLine:
    accuracy = number(entry.get("balanced_accuracy"))
    reason = text(entry.get("cannot_be_told"))
    remark = f"cannot be told: {reason}" if reason else ""
    if entry.get("doubtful") is True:
        remark = "doubtful: the probe reacts otherwise to generated images than to real ones"
    rate = _ends(entry.get("rate"))
    return LeakLine(
        operation=text(entry.get("operation")) or "?",
        accuracy="" if accuracy is None else f"{accuracy:.2f}",
        rate=_rate(rate),
        control=_rate(_ends(entry.get("control_rate"))),
        remark=remark,
        interval=rate,
    )


def _ends(rate: Any) -> tuple[float, float, float] | None:
    """Low end, estimate and high end in percent, all between 0 and 100."""
    low, value, high = (number(mapping(rate).get(key)) for key in ("low", "value", "high"))
    if low is None or value is None or high is None:
        return None
    return (_percent(low), _percent(value), _percent(high))


def _percent(share: float) -> float:
    return 100 * min(1.0, max(0.0, share))


def _rate(rate: tuple[float, float, float] | None) -> str:
    return "" if rate is None else f"{rate[1]:.1f}% [{rate[0]:.1f}, {rate[2]:.1f}]"
