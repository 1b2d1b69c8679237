"""An evaluation while training: its record, and the line that is printed of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from adavit.config.training import TrainingConfig
from adavit.data.small_set.images import CLASSES
from adavit.metrics.kinship import flattered_by
from adavit.metrics.names import RECOGNITION
from adavit.runs.records import UNTRAINED, parts


def score_record(
    figures: Mapping[str, Any], training: TrainingConfig, images: int, seconds: float
) -> dict[str, Any]:
    """A line of `metrics.jsonl`.

    Args:
        figures: Of `score_generator`.
        training: Says whether the run starts from a network that has learnt something.
        images: Real images seen.
        seconds: That the evaluation took.
    """
    untrained = {UNTRAINED: True} if not images and training.transfer is None else {}
    return {"images": images, **untrained, **figures, "seconds": seconds}


def score_line(record: dict[str, Any], names: Sequence[Sequence[str]]) -> str:
    """An evaluation in one line, with the floor to read it against, and figures that decide nothing behind it.

    Args:
        record: Of `score_generator`.
        names: Of the figures of each of its `parts`.
    """
    leading, *beside = [_named_figures(*each) for each in zip(parts(record), names, strict=True)]
    floor, same = (record.get(f"{names[0][0]}_{kind}") for kind in ("floor", "at_floor"))
    against = ""
    if floor is not None and same is not None:
        count = record["protocol"]["n_heldout"]
        against = (
            f"  ({count} held-out real images score {floor:.4g}, {count} generated {same:.4g})"
        )
    words = _recognised(record) + "".join(f"; beside: {figures}" for figures in beside)
    return f"{record['images'] / 1000:g} kimg: {leading}{against}{words}"


def _recognised(record: Mapping[str, Any]) -> str:
    if "kinds" not in record:
        return ""
    return (
        f"; kinds recognised: {record['kinds']:.0f} of {len(CLASSES)}, in"
        f" {record['recognised']:.0%} of the images"
    )


def _named_figures(record: Mapping[str, Any], names: Sequence[str]) -> str:
    flattered = " (flattered)" if flattered_by(record["protocol"]) else ""
    return (
        "  ".join(f"{name} {record[name]:.4g}" for name in names if name not in RECOGNITION)
        + flattered
    )
