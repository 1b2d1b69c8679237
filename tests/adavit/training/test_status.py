"""What is shown of a run while it trains."""

from adavit.runtime.console import Status
from adavit.training.progress import Progress
from adavit.training.status import status_of


def test_before_the_first_report_there_are_counts_alone() -> None:
    expected = Status(
        images=0,
        total_images=1000,
        images_per_s=None,
        p=0.2,
        r_t=None,
        r_relative=None,
        metric=None,
    )
    assert status_of(Progress(), 1000, {}, 0.2) == expected


def test_it_shows_the_statistic_that_the_loss_has_and_the_latest_figure() -> None:
    progress = Progress(images=500, latest={"name": "fid", "fid": 12.3456, "images": 400})
    report = {"images_per_s": 80.0, "r_t": 0.5}
    shown = status_of(progress, 1000, report, 0.1)
    assert (shown.images_per_s, shown.r_t, shown.r_relative) == (80.0, 0.5, None)
    assert shown.metric == "fid 12.35"
    shown = status_of(progress, 1000, {**report, "r_relative": 0.7}, 0.1)
    assert (shown.r_t, shown.r_relative) == (None, 0.7)
