"""The leaks of a run as lines of a table."""

from dataclasses import dataclass
from typing import Any

from adavit.runs.reading import mapping, number, text


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
        rate=_share(rate),
        control=_share(_ends(entry.get("control_rate"))),
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


def _share(rate: tuple[float, float, float] | None) -> str:
    return "" if rate is None else f"{rate[1]:.1f}% [{rate[0]:.1f}, {rate[2]:.1f}]"
