from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch_fidelity.metric_prc import prc_features_to_metric

from adavit.errors import UserError
from adavit.metrics import neighbours
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.measures import Measure
from adavit.metrics.neighbourhoods import Coverage, Density, Precision, Recall
from adavit.metrics.neighbours import squared_distance_blocks, squared_radii
from adavit.metrics.real_features import RealFeatures
from tests.references.metrics_features import drawn_features
from tests.references.metrics_neighbours import inside, radius

MEASURES: list[Callable[[], Measure]] = [Precision, Recall, Density, Coverage]


@pytest.fixture(scope="module")
def extractor() -> RandomFeatures:
    return RandomFeatures()


def measured(
    measure: Measure, fakes: torch.Tensor, reals: torch.Tensor, extractor: RandomFeatures
) -> float:
    figures = measure.figures(fakes, RealFeatures(reals, torch.device("cpu")), extractor)
    assert list(figures) == [""]
    return figures[""]


@pytest.fixture(params=[1, 7, 1 << 25])
def block_elements(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK_ELEMENTS", request.param)


@pytest.mark.usefixtures("block_elements")
def test_distances_in_blocks_equal_the_definition() -> None:
    a, b = drawn_features(11, 5, 1), drawn_features(6, 5, 2)
    blocks = list(squared_distance_blocks(a, b))
    assert [start for start, _ in blocks] == list(range(0, 11, len(blocks[0][1])))
    expected = (a.double()[:, None] - b.double()[None]).square().sum(dim=2)
    torch.testing.assert_close(torch.cat([block for _, block in blocks]), expected)


@pytest.mark.usefixtures("block_elements")
@pytest.mark.parametrize("k", [1, 3, 10])
def test_radii_reach_to_the_kth_other_image(k: int) -> None:
    features = drawn_features(11, 5, 1)
    features[4] = features[7]  # two equal images are each other's nearest
    expected = [radius(point, features.double().numpy(), k) ** 2 for point in range(11)]
    found = squared_radii(features, k, "images")
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.usefixtures("block_elements")
def test_all_four_equal_their_definitions(extractor: RandomFeatures) -> None:
    fakes, reals = drawn_features(23, 4, 1), drawn_features(31, 4, 2)
    a, b = fakes.double().numpy(), reals.double().numpy()
    expected = {
        Precision: inside(a, b, 3).any(axis=1).mean(),
        Recall: inside(b, a, 3).any(axis=1).mean(),
        Density: inside(a, b, 5).sum() / (5 * 23),
        Coverage: inside(a, b, 5).any(axis=0).mean(),
    }
    for kind, value in expected.items():
        assert 0 < value
        assert measured(kind(), fakes, reals, extractor) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("fakes", "reals"), [(300, 200), (40, 300)])
def test_precision_and_recall_equal_torch_fidelity(
    fakes: int, reals: int, extractor: RandomFeatures
) -> None:
    a, b = drawn_features(fakes, 8, 1), drawn_features(reals, 8, 2) * 1.3
    expected = prc_features_to_metric(a, b, prc_neighborhood=3, save_cpu_ram=True, verbose=False)
    for kind, name in ((Precision, "precision"), (Recall, "recall")):
        assert 0 < expected[name] < 1
        assert measured(kind(), a, b, extractor) == pytest.approx(expected[name], rel=1e-6)


@pytest.mark.parametrize("kind", MEASURES)
def test_copies_score_one_and_images_far_away_nothing(
    kind: Callable[[], Measure], extractor: RandomFeatures
) -> None:
    reals = drawn_features(60, 6, 1)
    # A copy lies in its own ball and in those of all that have it among their five nearest.
    copies = measured(kind(), reals.clone(), reals, extractor)
    assert copies == pytest.approx(
        inside(*2 * (reals.double().numpy(),), 5).mean() * 60 / 5 if kind is Density else 1
    )
    assert measured(kind(), reals + 100, reals, extractor) == 0


@pytest.mark.parametrize("width", [64, 128, 512, 2048])
def test_images_that_are_all_the_same_lie_in_each_others_balls(
    width: int, extractor: RandomFeatures
) -> None:
    for seed in range(5):
        reals = drawn_features(1, width, seed).repeat(20, 1)
        found = [measured(kind(), reals[:10], reals, extractor) for kind in MEASURES]
        assert found == [1, 1, 20 / 5, 1]


@pytest.mark.parametrize("width", [64, 128, 512, 2048])
def test_the_edge_of_a_ball_is_inside_it(width: int, extractor: RandomFeatures) -> None:
    for seed in range(5):
        reals = 3 + torch.randn(61, width, generator=torch.Generator().manual_seed(seed))
        # In each ball lie its centre and five others, one of them on its edge.
        assert measured(Density(), reals.flip(0), reals, extractor) == 6 / 5


@pytest.mark.usefixtures("block_elements")
def test_balls_in_blocks_are_those_of_the_definition() -> None:
    a, b = drawn_features(11, 5, 1), drawn_features(6, 5, 2)
    radii = torch.linspace(0, 4, 6, dtype=torch.float64)
    expected = (a.double()[:, None] - b.double()[None]).square().sum(dim=2) <= radii
    assert expected.any()
    assert not expected.all()
    assert torch.equal(torch.cat(list(neighbours.inside_blocks(a, b, radii))), expected)


def test_density_is_not_moved_by_one_outlier_as_precision_is(extractor: RandomFeatures) -> None:
    reals = torch.cat([drawn_features(60, 6, 1), drawn_features(1, 6, 2) + 30])
    fakes = drawn_features(60, 6, 4) + 10  # between the crowd and the outlier
    assert measured(Precision(), fakes, reals, extractor) == 1
    assert measured(Density(), fakes, reals, extractor) == pytest.approx(1 / 5)


@pytest.mark.parametrize(
    ("kind", "fakes", "reals", "message"),
    [
        (Precision, 9, 3, "of 3 images need at least 4 reference images, but there are only 3"),
        (Recall, 3, 9, "4 generated images, but there are only 3"),
        (Density, 9, 5, "6 reference images, but there are only 5"),
        (Coverage, 9, 5, "leave precision, recall, density and coverage out"),
    ],
)
def test_too_few_images_are_an_error_before_and_while_measuring(
    kind: Callable[[], Measure], fakes: int, reals: int, message: str, extractor: RandomFeatures
) -> None:
    with pytest.raises(UserError, match=message):
        kind().setting(fakes, reals)
    with pytest.raises(UserError, match=message):
        measured(kind(), drawn_features(fakes, 4, 1), drawn_features(reals, 4, 2), extractor)
    assert kind().setting(9, 9).startswith("k = ")
