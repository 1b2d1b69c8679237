"""Which figures of a record may stand in one column: those measured in the same way."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from adavit.evaluation.protocol import comparison_key
from adavit.metrics.names import HIGHER_IS_BETTER, metric_of
from adavit.report.table import Column
from adavit.runs.reading import mapping, number


def metric_columns(
    record: Mapping[str, Any], statistic: str, what: str
) -> Iterator[tuple[Column, float]]:
    """The metrics of a record with the columns they belong to; what it says beside them is left out.

    Args:
        record: A line of `metrics.jsonl`, or a record of `adavit evaluate`.
        statistic: As `Column.statistic`.
        what: The same in words, for the column's meaning.
    """
    recorded = mapping(record.get("protocol"))
    for name, figure in record.items():
        metric, value = metric_of(name), number(figure)
        if metric is None or value is None:
            continue
        protocol = comparison_key(recorded, metric)
        direction = "higher" if metric in HIGHER_IS_BETTER else "lower"
        column = Column(
            key=f"{name}.{statistic}@{_digest(protocol)}"[-200:],
            name=name,
            statistic=statistic,
            meaning=f"{name}: {what}; {direction} is better.",
            better=direction,
            protocol=protocol,
        )
        yield column, value


def _digest(protocol: Mapping[str, Any]) -> str:
    canonical = json.dumps(protocol, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]
