"""The record of `memorisation` in a few lines for a person."""

from typing import Any

from adavit.diagnostics.memorisation.reach import summarise_reach
from adavit.runtime.wording import counted


def summarise_memorisation(record: dict[str, Any]) -> str:
    """A record of `memorisation` as text."""
    protocol = record["protocol"]
    lines = [
        (
            f"{protocol['n_fake']:,} generated images against {protocol['n_train']:,} training"
            f" images of {protocol['data']}{', flips included' if protocol['mirror'] else ''}."
        ),
        f"Close: nearer than {nearness_words(protocol['n_leave_one_out'], protocol['percentile'])} to one another.",
    ]
    for name, space in record["spaces"].items():
        lines += ["", f"{name} ({space['distance']}); close is below {space['threshold']:.4g}"]
        lines.append(f"  generated images  {_closeness(space['generated'])}")
        if space["heldout"] is None:
            lines.append("  held-out images   none")
        else:
            lines.append(f"  held-out images   {_closeness(space['heldout'])}")
        lines.append(
            f"  training images   median to the nearest other {space['leave_one_out_median']:.4g}"
        )
        lines.append(f"  {_verdict(space, record['duplicates'])}")
    if "projection" in record:
        lines += ["", *summarise_reach(record["projection"])]
    duplicates = record["duplicates"]
    lines += ["", f"In the data ({duplicates['images']:,} images): {_copies(duplicates)}."]
    return "\n".join([*lines, "", record["caution"]])


def _closeness(summary: dict[str, Any]) -> str:
    low, high = (100 * value for value in summary["share_interval"])
    return (
        f"{100 * summary['share_closer']:.1f}% close ({summary['closer']:,} of"
        f" {summary['images']:,}; {low:.1f} to {high:.1f}%), median {summary['median']:.4g}"
    )


def nearness_words(compared: float, percentile: float) -> str:
    """How near is close, to end the sentence "nearer than ... to one another".

    Args:
        compared: Training images whose nearest other one was looked for.
        percentile: Of these distances, below which is close. Of a hundred and fewer the first is the least.
    """
    if compared * percentile <= 100:
        return "any two training images are"
    return f"{100 - percentile:g}% of the training images are"


def _verdict(space: dict[str, Any], duplicates: dict[str, Any]) -> str:
    more_often = "come close to training images more often than other real images do"
    if space["heldout"] is None:
        untold, copies = f"Whether they {more_often} cannot be told", duplicates["heldout_copies"]
        if copies:
            held_out = counted(copies, "held-out image is a copy", "held-out images are copies")
            return (
                f"{untold}: {held_out} of training images, and there is no other. adavit data check with --write"
                " makes a set without copies."
            )
        return f"{untold}: no image was held out. A run with --val-fraction holds some out."
    low, high = space["difference_interval"]
    if low > 0:
        return f"Generated images {more_often}."
    if high <= 0:
        return f"Generated images do not {more_often}."
    return f"Whether they {more_often} cannot be told; if so, by at most {100 * high:.1f} points."


def _copies(duplicates: dict[str, Any]) -> str:
    flips = ", flips included" if duplicates["flips_considered"] else ""
    exact = counted(duplicates["exact_copies"], "exact copy", "exact copies")
    near = counted(duplicates["near_pairs"], "pair", "pairs")
    return f"{exact} and {near} of near-duplicates{flips}"
