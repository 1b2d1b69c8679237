from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import pytest

from adavit.training import within_budget
from adavit.training.clock import BudgetClock
from adavit.training.time_plan import Costs
from tests.adavit.training.timed_runs import COSTS, Hand


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Hand]:
    """Puts a clock that is turned by hand in the place of the machine's, with costs that are the same on all."""

    def turn(step_s: float = COSTS.step_s, costs: Costs = COSTS) -> Hand:
        hand = Hand(step_s)
        monkeypatch.setattr(within_budget, "rehearse", lambda *_, **__: costs)
        monkeypatch.setattr(within_budget, "BudgetClock", partial(BudgetClock, now=hand))
        times = SimpleNamespace(monotonic=hand, perf_counter=hand)
        monkeypatch.setattr(within_budget, "time", times)
        return hand

    return turn
