import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from adavit.serving.turns import DrawingTurns, NoTurn


def until(happened) -> None:
    end = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_what_is_drawn_comes_back_and_so_does_what_is_raised() -> None:
    with DrawingTurns() as turns:
        assert turns.take(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            turns.take(lambda: 1 // 0)


def test_one_is_drawn_at_a_time_and_too_many_are_refused() -> None:
    go, at_work, most, order = threading.Event(), [], [], []

    def draw(number: int) -> int:
        at_work.append(number)
        most.append(len(at_work))
        go.wait(20)
        order.append(number)
        at_work.remove(number)
        return number

    with DrawingTurns(most_waiting=2) as turns, ThreadPoolExecutor(3) as askers:
        asked = [askers.submit(turns.take, lambda: draw(0))]
        until(lambda: at_work == [0])
        for number in (1, 2):
            asked.append(askers.submit(turns.take, lambda number=number: draw(number)))
            until(lambda number=number: turns.waiting == number)
        with pytest.raises(NoTurn):
            turns.take(lambda: draw(3))
        go.set()
        assert [each.result(20) for each in asked] == [0, 1, 2]
        assert turns.take(lambda: 8) == 8  # there is room again
        assert turns.waiting == 0
    assert order == [0, 1, 2]
    assert set(most) == {1}


def test_who_waits_when_it_closes_is_sent_away() -> None:
    go, begun, turns = threading.Event(), threading.Event(), DrawingTurns()
    with ThreadPoolExecutor(3) as askers:
        drawn = askers.submit(turns.take, lambda: (begun.set(), go.wait(20))[1])
        assert begun.wait(20)
        waits = askers.submit(turns.take, lambda: "never")
        until(lambda: turns.waiting == 1)
        closing = askers.submit(turns.__exit__)
        with pytest.raises(NoTurn):
            waits.result(20)
        go.set()
        closing.result(20)
        assert drawn.result(20) is True
        assert turns.waiting == 0
    with pytest.raises(NoTurn):
        turns.take(lambda: 1)
