import pytest
import torch

from adavit.metrics import bounded_pairs
from adavit.metrics.bounded_pairs import bounded_figures, bounded_setting, drawn_part
from adavit.metrics.measures import MEASURES
from adavit.metrics.real_features import RealFeatures
from adavit.metrics.subsets import KidSubsets

CPU = torch.device("cpu")
PAIRS = ["kid", "precision", "recall", "density", "coverage"]


def features(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed))


def test_few_images_are_all_looked_at() -> None:
    assert drawn_part(50_000) is None
    fakes, real = features(20, 0), RealFeatures(features(30, 1), CPU)
    for name in PAIRS:
        measure = MEASURES[name]
        assert bounded_figures(measure, fakes, real, None) == measure.figures(fakes, real, None)  # type: ignore[arg-type]
        assert bounded_setting(measure, 20, 30) == measure.setting(20, 30)


def test_a_part_is_drawn_over_all_images_and_is_the_same_each_time() -> None:
    chosen = drawn_part(200_000)
    assert chosen is not None
    assert len(set(chosen.tolist())) == len(chosen) == 50_000
    assert torch.equal(chosen, drawn_part(200_000))
    # Each tenth of the images gives its share, to five standard deviations.
    shares = torch.bincount(chosen // 20_000, minlength=10)
    assert ((shares - 5000).abs() < 5 * (5000 * 0.75) ** 0.5).all()


@pytest.mark.parametrize("name", PAIRS)
def test_beyond_the_bound_the_figure_is_that_of_the_parts(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_pairs, "MOST_PAIRED", 25)
    fakes, real = features(40, 0), features(60, 1)
    chosen, other = drawn_part(40), drawn_part(60)
    assert chosen is not None
    assert other is not None
    side, measure = RealFeatures(real, CPU), MEASURES[name]
    expected = measure.figures(fakes[chosen], RealFeatures(real[other], CPU), None)  # type: ignore[arg-type]
    for _ in range(2):
        assert bounded_figures(measure, fakes, side, None) == expected  # type: ignore[arg-type]
    setting = bounded_setting(measure, 40, 60)
    assert (
        setting
        == f"{measure.setting(40, 60)} of a part drawn with seed 0: 25 of 40 generated, 25 of 60 real"
    )
    assert bounded_setting(measure, 40, 60) != bounded_setting(measure, 40, 61)


def test_metrics_whose_time_grows_with_the_images_look_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded_pairs, "MOST_PAIRED", 25)
    fakes, real = features(40, 0), RealFeatures(features(60, 1), CPU)
    fid = MEASURES["fid"]
    assert bounded_figures(fid, fakes, real, None) == fid.figures(fakes, real, None)  # type: ignore[arg-type]
    for measure in (fid, KidSubsets()):
        assert bounded_setting(measure, 40, 60) == measure.setting(40, 60)
