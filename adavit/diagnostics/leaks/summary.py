"""The record of `leaks` in a few lines for a person."""

from typing import Any


def summarise_leaks(record: dict[str, Any]) -> str:
    """A record of `leaks` as text."""
    protocol = record["protocol"]
    lines = [
        (
            f"{protocol['n_fake']:,} generated images; probes trained on"
            f" {protocol['n_probe_training']:,} real images, tested on"
            f" {protocol['n_probe_test']:,}; control {protocol['n_control']:,}."
        ),
        "",
        f"{'operation':<20}{'accuracy':>9}   {'generated images':<22}{'held-out real images':<22}",
    ]
    for entry in record["operations"]:
        accuracy = entry.get("balanced_accuracy")
        shown = "-" if accuracy is None else f"{accuracy:.2f}"
        line = f"{entry['operation']:<20}{shown:>9}   "
        if "cannot_be_told" in entry:
            line += f"cannot be told: {entry['cannot_be_told']}"
        else:
            line += f"{_rate(entry['rate']):<22}{_rate(entry['control_rate']):<22}"
            line += "doubtful" if entry["doubtful"] else ""
        lines.append(line.rstrip())
    if any(entry.get("doubtful") for entry in record["operations"]):
        lines += [
            "",
            "Doubtful: on generated images the probe does not err as it does on real ones.",
        ]
    return "\n".join([*lines, "", record["caution"]])


def _rate(rate: dict[str, float]) -> str:
    return f"{100 * rate['value']:.1f}% ({100 * rate['low']:.1f} to {100 * rate['high']:.1f}%)"
