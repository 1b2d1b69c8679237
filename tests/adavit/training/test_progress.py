import math

import pytest

from adavit.training.progress import NEVER, Progress


def test_the_best_evaluation_is_the_first_of_the_lowest() -> None:
    progress = Progress()
    found = [progress.measured("fid", {"images": i, "fid": v}) for i, v in enumerate((5, 3, 4, 3))]
    assert found == [True, True, False, False]
    assert progress.best == {"name": "fid", "images": 1, "fid": 3}
    assert progress.latest == {"name": "fid", "images": 3, "fid": 3}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_not_finite_is_never_the_best(value: float) -> None:
    progress = Progress()
    assert progress.measured("fid", {"images": 0, "fid": 5.0})
    assert not progress.measured("fid", {"images": 8, "fid": value})
    assert progress.measured("fid", {"images": 16, "fid": 4.0})


def test_a_first_figure_that_is_not_finite_is_replaced() -> None:
    progress = Progress()
    assert progress.measured("fid", {"images": 0, "fid": math.nan})
    assert progress.measured("fid", {"images": 8, "fid": 50.0})


def test_an_untrained_network_is_the_best_only_until_another_was_measured() -> None:
    """A distance that rises at first, as `fd_drawn` does: 38.9 is of flat grey images, 42 of the first shapes."""
    figures = [38.9, math.nan, 42.0, 45.0, 41.0, 120.0, 130.0]
    for untrained in ({"untrained": True}, {}):  # from nothing; from a network of another run
        progress, seen = Progress(), []
        for images, figure in enumerate(figures):
            record = {"images": images, "fd_drawn": figure, **(untrained if not images else {})}
            found = progress.measured("fd_drawn", record)
            assert progress.best is not None
            seen.append((found, progress.best["images"], progress.has_collapsed))
            again = Progress()
            again.load_state_dict({**progress.state_dict(), "latest": None})
            assert again.best == progress.best
        if untrained:
            start = [(True, 0, False), (False, 0, True)]  # what is not finite is no other figure
            after = [(True, 2, False), (False, 2, False), (True, 4, False), (False, 4, False)]
            assert seen == [*start, *after, (False, 4, True)]  # 3 times 41, not 3 times 38.9
        else:
            assert [images for _, images, _ in seen] == [0] * 7
            assert [collapsed for *_, collapsed in seen][-2:] == [True, True]


def test_a_duty_is_due_where_a_multiple_of_its_cadence_was_passed() -> None:
    progress = Progress(done_at={"stats": 900, "samples": NEVER})
    assert progress.is_due("samples", 1.0, ended=False)
    progress.images = 999
    assert not progress.is_due("stats", 1.0, ended=False)
    assert progress.is_due("stats", 1.0, ended=True)
    progress.images = 2300  # a step that jumps over two of them
    assert progress.is_due("stats", 1.0, ended=False)
    progress.done("stats")
    assert not progress.is_due("stats", 1.0, ended=True)


def test_progress_comes_back_from_its_state() -> None:
    progress = Progress()
    for made in (False, True):
        progress.stepped(images=8, seconds=0.5)
        progress.judged([made])
    again = Progress()
    again.load_state_dict(progress.state_dict())
    assert again == progress
    assert (again.images, again.skipped, again.skipped_in_a_row) == (16, 1, 0)
    with pytest.raises(ValueError, match="images is '8', expected int"):
        again.load_state_dict({**progress.state_dict(), "images": "8"})


def test_skipped_steps_are_counted_when_they_become_known() -> None:
    progress = Progress()
    for _ in range(9):
        progress.stepped(images=8, seconds=0.5)
    assert (progress.skipped, progress.skipped_in_a_row) == (0, 0)
    assert progress.judged([True, False, False]) == 2
    assert progress.judged([]) == 0
    assert progress.judged([False, True, False, False, True, False]) == 3  # the row goes on
    assert (progress.skipped, progress.skipped_in_a_row) == (6, 1)


def test_the_latest_sane_evaluation_is_remembered() -> None:
    progress, seen = Progress(), []
    for images, figure in enumerate([math.nan, 400.0, 12.0, 300.0, math.nan, 30.0, 8.0]):
        progress.images = 10 * images
        progress.measured("fid", {"images": progress.images, "fid": figure})
        seen.append((progress.sane_at, progress.is_sane_now, progress.has_collapsed))
        again = Progress()
        again.load_state_dict(progress.state_dict())
        assert (again.sane_at, again.has_collapsed) == (seen[-1][0], seen[-1][2])
    sane, collapsed = (True, False), (False, True)
    assert seen == [
        (0, *sane), (10, *sane), (20, *sane), (20, *collapsed), (20, *collapsed), (50, *sane), (60, *sane)
    ]  # fmt: skip
    assert progress.first == {"name": "fid", "images": 10, "fid": 400.0}
    assert progress.best == {"name": "fid", "images": 60, "fid": 8.0}
    progress.images = 70
    assert not progress.is_sane_now
    with pytest.raises(ValueError, match="sane_at"):
        Progress().load_state_dict({**progress.state_dict(), "sane_at": -5})
