"""The sample grids of a report: which runs and times are shown, so that the page stays small."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adavit.report.pictures import EmbeddedPicture, digest_of, encoded_sheet
from adavit.report.run import Run
from adavit.report.seed_groups import SeedGroup
from adavit.runs.directory import RunDirectory
from adavit.runs.reading import resolution_of
from adavit.runs.shared_names import without_folders
from adavit.runtime.thinning import evenly_spread


@dataclass(frozen=True)
class Tier:
    """How many grids the gallery shows, and how large: one compromise between quality and size.

    Attributes:
        side: Pixels of a grid.
        times: Grids of a run.
        runs: Runs that are shown.
        every_seed: Whether all seeds of a row are shown or the first alone.
    """

    side: int
    times: int
    runs: int
    every_seed: bool


TIERS = (
    Tier(512, 16, 60, every_seed=True),
    Tier(512, 10, 60, every_seed=True),
    Tier(384, 8, 60, every_seed=True),
    Tier(320, 8, 60, every_seed=False),
    Tier(256, 6, 60, every_seed=False),
    Tier(192, 4, 60, every_seed=False),
    Tier(160, 3, 40, every_seed=False),
    Tier(128, 2, 20, every_seed=False),
)
"""From the best to the smallest; the first that fits is taken."""


@dataclass
class Gallery:
    """The sample grids that the page shows.

    Attributes:
        pictures: By digest of the file they are from; runs share those that are alike.
        runs: For each run shown: its `row`, `label`, `real` (a key of `pictures`, or None), `data` (the name of
            its images, or "") and `frames`, each a pair of kimg and a key of `pictures`.
        left_out: Runs and grids that did not fit.
    """

    pictures: dict[str, EmbeddedPicture] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    left_out: int = 0

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        return sum(len(picture.uri) for picture in self.pictures.values())


def build_gallery(groups: Sequence[SeedGroup], budget: int) -> Gallery:
    """The best gallery of at most `budget` bytes; empty where no run has samples."""
    for tier in TIERS:
        gallery = _gallery(groups, tier, budget)
        if gallery is not None:
            return gallery
    return Gallery(left_out=sum(len(_grids(run)) for group in groups for run in group.runs))


def chosen_times(times: Sequence[float], most: int) -> list[float]:
    """At most so many of the times, the first and the last among them, evenly spread by position."""
    distinct = sorted(set(times))
    return [distinct[position] for position in evenly_spread(len(distinct), most)]


def _gallery(groups: Sequence[SeedGroup], tier: Tier, budget: int) -> Gallery | None:
    gallery = Gallery()
    grids = {id(run): _grids(run) for group in groups for run in group.runs}
    times = chosen_times([t for found in grids.values() for t in found], tier.times)
    candidates = [
        (index, group, run)
        for index, group in enumerate(groups)
        for run in group.runs[: None if tier.every_seed else 1]
        if grids[id(run)]
    ]
    total = sum(map(len, grids.values()))
    shown = 0
    for index, group, run in candidates[: tier.runs]:
        found = grids[id(run)]
        # A run that ended between two of the times still shows its end.
        wanted = {time for time in times if time in found} | {max(found)}
        frames = []
        for time in sorted(wanted):
            key = _add(gallery, found[time], run, tier)
            if key:
                frames.append([time, key])
            if gallery.size > budget:
                return None
        shown += len(frames)
        if frames:
            real = _add(gallery, RunDirectory(run.path).real_images, run, tier)
            shown_as = {"row": index, "label": group.label_of(run), "frames": frames}
            data = str(without_folders(run.data.get("name") or ""))
            gallery.runs.append({**shown_as, "real": real, "data": data})
    if gallery.size > budget:
        return None
    gallery.left_out = total - shown
    return gallery


def _add(gallery: Gallery, path: Path, run: Run, tier: Tier) -> str | None:
    key = digest_of(path)
    if key is None:
        return None
    if key not in gallery.pictures:
        resolution = resolution_of(run.data.get("resolution"))
        picture = encoded_sheet(path, resolution=resolution, side=tier.side)
        if picture is None:
            return None
        gallery.pictures[key] = picture
    return key


def _grids(run: Run) -> dict[float, Path]:
    return RunDirectory(run.path).sample_grids()
