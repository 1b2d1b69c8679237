"""The record of `evaluate` as a table for a person."""

from collections.abc import Mapping
from typing import Any

from adavit.evaluation.comparison_text import FLATTERED_WORD
from adavit.metrics.kinship import MARK, flattered_by, legend, networks_of
from adavit.metrics.names import HIGHER_IS_BETTER, WITHOUT_REAL_IMAGES, metric_of
from adavit.runs.reading import number
from adavit.runs.records import figures, parts
from adavit.runtime.text_table import aligned

REAL_HEADS = {
    "_floor": "held-out",
    "_at_floor": "as few fakes",
    "_training": "trained on",
    "_halves": "halves",
}
"""Headings of what stands beside a figure (`adavit.metrics.names.REAL_SCORES`); left out where nothing does."""


def summarise_evaluation(record: Mapping[str, Any]) -> str:
    """A record of `evaluate` as text.

    Returns:
        What was scored; a line per figure with what it is against, what real images score, and a note; and
        what the columns of real images mean, each with its numbers of images.
    """
    protocol, source = record["protocol"], record.get("source", {})
    found = [(name, value, part) for part in parts(record) for name, value in figures(part).items()]
    beside = [
        ending for ending in REAL_HEADS if any(name + ending in part for name, _, part in found)
    ]
    rows = [["metric", "figure", "against", *(REAL_HEADS[ending] for ending in beside), "note"]]
    for name, value, part in found:
        against = "nothing" if _is_alone(name, part) else _count(protocol.get("n_real"))
        scores = [number(part.get(name + ending)) for ending in beside]
        shown = ["" if score is None else f"{score:.4g}" for score in scores]
        rows.append([name, f"{value:.4g}", against, *shown, _note(name, part)])
    lines = [_subject(record, source), "", *aligned(rows, right=range(1, 3 + len(beside)))]
    meanings = [_meaning(ending, protocol) for ending in beside]
    if meanings:
        lines += ["", *meanings]
    if networks_of(protocol):
        lines += ["", legend(networks_of(protocol))]
    return "\n".join(lines)


def _subject(record: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    protocol = record["protocol"]
    name = protocol.get("name")
    marked = f" ({MARK})" if networks_of(protocol) else ""
    words = f"{source.get('name', 'source')}{marked}: {_count(protocol.get('n_fake'))} fakes"
    if source.get("generator"):
        words += f" of {source['generator']}"
    if number(record.get("images")) is not None:
        words += f" at {record['images'] / 1000:g} kimg"
    if protocol.get("n_real") is not None:
        split = protocol.get("split")
        words += f", against {_count(protocol['n_real'])} real images of {protocol['reference']}"
        words += f" ({split})" if split else ""
    return f"{words}, at {protocol['resolution']} px{f'; protocol {name}' if name else ''}."


def _is_alone(name: str, record: Mapping[str, Any]) -> bool:
    """Whether a figure compares with no real images."""
    return metric_of(name) in WITHOUT_REAL_IMAGES or record["protocol"].get("n_real") is None


def _note(name: str, record: Mapping[str, Any]) -> str:
    metric = metric_of(name)
    notes = ["higher is better" if metric in HIGHER_IS_BETTER else "lower is better"]
    spread = number(record.get(f"{name}_std"))
    if spread is not None:
        notes[0] += f", ± {spread:.2g}"
    if flattered_by(record["protocol"]):
        notes.append(FLATTERED_WORD)
    if name.endswith("_random"):
        notes.append("random network, so no FID" if metric == "fid" else "random network")
    return "; ".join(notes)


def _meaning(ending: str, protocol: Mapping[str, Any]) -> str:
    heldout, rest = _count(protocol.get("n_heldout")), _count(protocol.get("n_floor_reference"))
    return {
        "_floor": (
            f"held-out: what {heldout} real images that were not trained on score against {rest} others."
        ),
        "_at_floor": (
            f"as few fakes: what {heldout} generated images score against the same {rest}; hold it against"
            " held-out, for few images score worse than many."
        ),
        "_training": (
            f"trained on: what the {_count(protocol.get('n_training'))} images trained on score against the"
            " others; few images score worse than many. Whether images are copies is for adavit memorisation."
        ),
        "_halves": (
            f"halves: what {_count(protocol.get('n_half'))} real images score against the same number of others."
        ),
    }[ending]


def _count(value: Any) -> str:
    known = number(value)
    return "?" if known is None else f"{known:,.0f}"
