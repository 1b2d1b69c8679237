from typing import Any

from benchmarks.claims.cell_record import CellRecord
from benchmarks.claims.results import Outcome

UNTRAINED = {"images": 0, "fd_drawn": 38.0, "recognised": 0.0, "untrained": True}


def outcome_of(*metrics: dict[str, Any]) -> Outcome:
    return Outcome.of_record(CellRecord("a", {}, {}, {}, [], list(metrics), {}, {}))


def test_an_untrained_network_is_no_best_of_a_run_that_only_got_worse() -> None:
    later = [
        {"images": kimg * 1000, "fd_drawn": figure, "recognised": 0.0}
        for kimg, figure in ((5, 60.0), (10, 45.0), (15, 90.0))
    ]
    found = outcome_of(UNTRAINED, *later)
    assert found.curve == [(5, 60.0), (10, 45.0), (15, 90.0)]
    assert (found.best, found.last) == (45.0, 90.0)


def test_where_it_alone_was_measured_it_is_all_there_is() -> None:
    assert outcome_of(UNTRAINED).curve == [(0, 38.0)]
