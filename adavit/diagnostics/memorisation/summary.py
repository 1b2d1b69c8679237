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
        (
            f"Close: nearer than {100 - protocol['percentile']:g}% of the training images are to"
            " one another."
        ),
    ]
    for name, space in record["spaces"].items():
        lines += ["", f"{name} ({space['distance']}); close is below {space['threshold']:.4g}"]
        lines.append(f"  generated images  {_closeness(space['generated'])}")
        if space["heldout"] is None:
            lines.append("  held-out images   none; expect about 1% close")
        else:
            lines.append(f"  held-out images   {_closeness(space['heldout'])}")
        lines.append(
            f"  training images   median to the nearest other {space['leave_one_out_median']:.4g}"
        )
        lines.append(f"  {_verdict(space)}")
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


def _verdict(space: dict[str, Any]) -> str:
    generated, heldout = space["generated"], space["heldout"]
    expected = heldout["share_interval"][1] if heldout else 0.01
    if generated["share_interval"][0] > expected:
        return (
            "Generated images come close to training images more often than other real images do."
        )
    return (
        "Generated images do not come close to training images more often than other real"
        " images do."
    )


def _copies(duplicates: dict[str, Any]) -> str:
    flips = ", flips included" if duplicates["flips_considered"] else ""
    exact = counted(duplicates["exact_copies"], "exact copy", "exact copies")
    near = counted(duplicates["near_pairs"], "pair", "pairs")
    return f"{exact} and {near} of near-duplicates{flips}"
