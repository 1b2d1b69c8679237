import pytest
import torch
from torch import Tensor

from adavit.data.small_set.images import draw_small_set
from adavit.errors import UserError
from adavit.metrics.extractors.drawn_features import drawn_features
from adavit.metrics.extractors.extractor import Recognised, extract_features
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.measures import MEASURES
from adavit.metrics.names import HIGHER_IS_BETTER, RECOGNITION, metric_of, recorded_name
from adavit.metrics.real_features import RealFeatures

CPU = torch.device("cpu")


class Reader(RandomFeatures):
    """Its features are what it says: the kind, and two attributes."""

    kinds = tuple("abcdefghij")

    def knows(self, *shape: int) -> bool:
        return True

    def recognise(self, features: Tensor) -> Recognised:
        return Recognised(features[:, 0].long(), features[:, 1:].long())


def of(rows: list[tuple[int, int, int]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def figure(name: str, fakes: Tensor, real: Tensor, extractor: object = None) -> float:
    found = MEASURES[name].figures(fakes, RealFeatures(real, CPU), extractor or Reader())  # type: ignore[arg-type]
    assert found.keys() == {""}
    return found[""]


EVEN = of([(kind, kind % 2, bin_) for kind in range(10) for bin_ in range(4)])
"""40 images: of each kind one bin of the first attribute, and all four of the second: 10 + 40 modes."""


def test_real_images_have_all_kinds_and_modes() -> None:
    assert [figure(name, EVEN, EVEN) for name in RECOGNITION] == [1.0, 10.0, 1.0]


def test_the_share_recognised_counts_every_image() -> None:
    fakes = of([(3, 0, 0)] * 3 + [(-1, 0, 0)])
    assert figure("recognised", fakes, EVEN) == 0.75
    assert figure("kinds", fakes, EVEN) == 1
    assert figure("recognised", of([(-1, 1, 1)] * 4), EVEN) == 0


def test_a_stray_image_makes_no_kind() -> None:
    common = [(2, 0, 0)] * 991
    assert figure("kinds", of([*common, *[(5, 0, 0)] * 9]), EVEN) == 1
    assert figure("kinds", of([*common[1:], *[(5, 0, 0)] * 10]), EVEN) == 2  # 1 of 100


def test_modes_are_kinds_with_bins_of_those_that_are_real() -> None:
    one_bin = EVEN[EVEN[:, 2] == 0]
    assert figure("modes", one_bin, EVEN) == pytest.approx(20 / 50)
    assert figure("modes", EVEN, one_bin) == 1.0  # what is not real is no mode
    without_kind = EVEN[EVEN[:, 0] != 7]
    assert figure("modes", without_kind, EVEN) == pytest.approx(45 / 50)
    other_way = EVEN.clone()
    other_way[:, 1] = 1 - other_way[:, 1]
    assert figure("modes", other_way, EVEN) == pytest.approx(40 / 50)
    assert figure("modes", EVEN, of([(-1, 0, 0)] * 5)) == 0.0


def test_rare_modes_do_not_count_and_a_tenth_of_the_fair_share_does() -> None:
    real = of([(0, 0, 0)] * 799 + [(0, 0, 1)] * 200 + [(0, 0, 2)])  # the last is below .2%
    assert figure("modes", of([(0, 0, 0)] * 50), real) == pytest.approx(2 / 3)
    few = [(0, 0, 0)] * 48
    assert figure("modes", of([*few, (0, 0, 1)]), real) == 1.0  # 1 of 49 is more than a tenth of .2
    assert figure("modes", of([*few, *few, (0, 0, 1)]), real) == pytest.approx(2 / 3)


def test_a_tenth_is_a_tenth_however_it_would_be_rounded() -> None:
    real = of([(0, 0, 0)] * 90 + [(0, 0, 1)] * 10)
    tenth = of([(0, 0, 0)] * 99 + [(0, 0, 1)])
    assert figure("modes", tenth, real) == 1.0
    assert figure("modes", of([(0, 0, 0)] * 100 + [(0, 0, 1)]), real) == pytest.approx(2 / 3)
    for count in range(500, 20_000, 1500):  # one in 500 is no rare mode
        common = [(0, 0, 0)] * (count - count // 500)
        real = of([*common, *[(0, 0, 1)] * (count // 500)])
        assert figure("modes", of([(0, 0, 0)] * 50), real) == pytest.approx(2 / 3), count


def test_another_extractor_is_refused() -> None:
    for name in RECOGNITION:
        MEASURES[name].check_extractor(Reader())
        with pytest.raises(UserError, match=r"extractor random recognises nothing; expected drawn"):
            MEASURES[name].check_extractor(RandomFeatures())


def test_they_keep_their_names_with_the_drawn_extractor() -> None:
    for name in RECOGNITION:
        assert recorded_name(name, "drawn") == name == metric_of(name)
        assert metric_of(f"{name}_floor") is None
        assert name in HIGHER_IS_BETTER
        assert MEASURES[name].setting(2, 2)


def test_of_drawings_one_kind_that_is_missing_is_missed() -> None:
    extractor = drawn_features()
    real, fresh = (
        extract_features(extractor, [torch.from_numpy(images).permute(0, 3, 1, 2)])
        for images in (draw_small_set(400)[0], draw_small_set(400, seed=4)[0])
    )
    assert figure("kinds", fresh, real, extractor) == 10
    assert figure("recognised", fresh, real, extractor) > 0.96
    assert figure("modes", fresh, real, extractor) > 0.9
    without_cats = fresh[torch.arange(400) % 10 != 3]
    assert figure("kinds", without_cats, real, extractor) == 9
    assert figure("modes", without_cats, real, extractor) < 0.93
