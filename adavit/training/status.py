"""How far a run is, as the progress bar and the lines of a report show it."""

from collections.abc import Mapping
from typing import Any

from adavit.runtime.console import Status
from adavit.training.endings import figure_words
from adavit.training.progress import Progress


def status_of(progress: Progress, total_images: int, report: Mapping[str, Any], p: float) -> Status:
    """What is shown of a run now.

    Args:
        progress: How far it came.
        total_images: Real images at its end.
        report: The last line of `stats.jsonl`; empty before the first.
        p: Of the augmentation.
    """
    relative = report.get("r_relative")
    return Status(
        images=progress.images,
        total_images=total_images,
        images_per_s=report.get("images_per_s"),
        p=p,
        r_t=report.get("r_t") if relative is None else None,
        r_relative=relative,
        metric=None if progress.latest is None else figure_words(progress.latest),
    )
