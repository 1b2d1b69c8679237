import sqlite3

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

from adavit.experiments.patience import Patience, QueueUnreachable


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def patience(self, seconds: float, **keywords: object) -> Patience:
        return Patience(
            seconds, "the file", sleep=self.waits.append, clock=lambda: sum(self.waits), **keywords
        )  # type: ignore[arg-type]


class Database:
    """Fails so many times, as Optuna words it."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            locked = OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked"))
            raise StorageInternalError("An exception is raised during the commit.") from locked
        return "done"


def test_what_fails_is_repeated_with_growing_pauses_until_it_can_be_done() -> None:
    clock, told, database = Clock(), [], Database(9)
    assert clock.patience(300, tell=told.append)(database) == "done"
    # 0.1, 0.2, ... 12.8, and then no longer ones than 15.
    assert sum(clock.waits) == pytest.approx(0.1 * (2**8 - 1) + 15)
    assert told == [
        "Warning: the queue cannot be reached (database is locked); it is tried again and again."
    ]


def test_after_all_of_its_time_it_says_so_in_one_line() -> None:
    clock, database = Clock(), Database(10**6)
    with pytest.raises(QueueUnreachable) as caught:
        clock.patience(300)(database)
    assert sum(clock.waits) == pytest.approx(300)
    text = str(caught.value)
    assert "'the file' could not be reached for 300 seconds (database is locked)" in text
    assert "\n" not in text
    assert 20 < database.calls < 40


def test_a_signal_cuts_it_short() -> None:
    clock = Clock()
    with pytest.raises(QueueUnreachable):
        clock.patience(300, asked_to_stop=lambda: sum(clock.waits) > 60)(Database(10**6))
    assert 60 < sum(clock.waits) < 61


def test_what_is_not_the_databases_fault_is_not_repeated() -> None:
    calls = []

    def mistake() -> None:
        calls.append(1)
        raise KeyError("ours")

    with pytest.raises(KeyError):
        Clock().patience(300)(mistake)
    assert len(calls) == 1
