import io
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from adavit.curation.likeness import shrunk
from adavit.curation.seen_likeness import FARTHEST, FEWEST, SHARE, SeenLikeness, _whitening
from tests.adavit.curation.conftest import scene


def as_small(images: list[np.ndarray]) -> Tensor:
    return shrunk(np.stack([image.transpose(2, 0, 1) for image in images]))


def seen_of(small: Tensor, pairs: Sequence[tuple[int, int]] = ()) -> SeenLikeness:
    """Of images among which those of some pairs may be copies."""
    may_be = torch.zeros(len(small), len(small), dtype=torch.bool)
    for first, second in pairs:
        may_be[first, second] = may_be[second, first] = True
    return SeenLikeness(small, lambda rows: may_be[rows])


def distance(seen: SeenLikeness, first: int, second: int, *, mirrored: bool) -> float:
    return float(seen.distances(first, torch.tensor([second]), mirrored=mirrored)[0])


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return [scene(index) for index in range(60)]


def copies_of(image: np.ndarray) -> list[np.ndarray]:
    """Saved again; and cut by 4% of each side."""
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    picture.save(buffer, format="JPEG", quality=80)
    cut = picture.resize((32, 32), Image.Resampling.LANCZOS, box=(0.64, 0.64, 31.36, 31.36))
    return [np.asarray(Image.open(buffer)), np.asarray(cut)]


def test_copies_are_within_the_limit_and_others_far_beyond_it(images: list[np.ndarray]) -> None:
    seen = seen_of(as_small([*images, *copies_of(images[7])]), [(7, 60), (7, 61), (60, 61)])
    assert 0 < seen.limit <= FARTHEST
    for copy in (60, 61):
        assert distance(seen, 7, copy, mirrored=False) < seen.limit
        others = [distance(seen, at, copy, mirrored=False) for at in range(60) if at != 7]
        assert min(others) > 2 * seen.limit


def test_light_and_contrast_do_not_count(images: list[np.ndarray]) -> None:
    changed = (0.7 * (images[3].astype(np.float32) - 128) + 140).astype(np.uint8)
    seen = seen_of(as_small([*images, changed]), [(3, 60)])
    assert distance(seen, 3, 60, mirrored=False) < 0.01


def test_a_mirrored_image_is_near_as_such_alone(images: list[np.ndarray]) -> None:
    seen = seen_of(as_small([*images, images[5][:, ::-1]]))
    assert distance(seen, 5, 60, mirrored=True) == pytest.approx(0, abs=1e-5)
    assert distance(seen, 60, 5, mirrored=True) == pytest.approx(0, abs=1e-5)
    assert distance(seen, 5, 60, mirrored=False) > seen.limit


def test_the_limit_is_a_share_of_the_distance_to_the_nearest_that_is_no_candidate(
    images: list[np.ndarray],
) -> None:
    pairs = [(at, at + 1) for at in range(0, 60, 2)]
    seen = seen_of(as_small(images), pairs)
    distances = np.array(
        [[distance(seen, a, b, mirrored=False) for b in range(60)] for a in range(60)]
    )
    for first, second in (*pairs, *((at, at) for at in range(60))):
        distances[first, second] = distances[second, first] = np.inf
    wanted = min(FARTHEST, SHARE * float(np.quantile(distances.min(axis=1), 0.01)))
    assert seen.limit == pytest.approx(wanted, abs=1e-5)


def test_more_images_than_are_asked_have_the_limit_of_those_that_are(
    images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = [(0.9 * images[0] + 0.1 * each).astype(np.uint8) for each in images]
    monkeypatch.setattr("adavit.curation.seen_likeness.FARTHEST", 1.0)
    monkeypatch.setattr("adavit.curation.seen_likeness.PROBED", 20)
    pairs = [(0, 1), (3, 4), (57, 59)]
    seen = seen_of(as_small(mixed[:20] + images[20:]), pairs)
    nearest = []
    for asked in range(0, 60, 3):
        barred = {asked} | {b for pair in pairs for a, b in (pair, pair[::-1]) if a == asked}
        others = (at for at in range(60) if at not in barred)
        nearest.append(min(distance(seen, asked, at, mirrored=False) for at in others))
    assert seen.limit == pytest.approx(SHARE * float(np.quantile(nearest, 0.01)), abs=1e-5)


def test_images_of_one_pattern_must_be_nearer_than_others(images: list[np.ndarray]) -> None:
    mixed = [(0.97 * images[0] + 0.03 * each).astype(np.uint8) for each in images]
    one_pattern = seen_of(as_small(images[:30] + mixed[:30])).limit
    assert one_pattern < seen_of(as_small(images)).limit / 2


@pytest.mark.parametrize("count", [1, 2, FEWEST - 1])
def test_of_a_few_images_nothing_is_confirmed(images: list[np.ndarray], count: int) -> None:
    assert seen_of(as_small(images[:count])).limit == 0


def test_grey_blank_and_transparent_images_have_finite_distances() -> None:
    random = np.random.default_rng(0)
    for channels in (1, 3, 4):
        some = shrunk(random.integers(0, 256, (FEWEST, channels, 32, 32), dtype=np.uint8))
        some[:2] = 80.0
        seen = seen_of(some)
        assert np.isfinite([distance(seen, 0, at, mirrored=False) for at in range(FEWEST)]).all()
        assert np.isfinite(seen.limit)


def test_a_dark_shape_is_seen_by_its_alpha() -> None:
    shapes = np.zeros((FEWEST, 4, 32, 32), np.uint8)
    for at, shape in enumerate(shapes):
        shape[3, 2 + at % 5 : 12 + at, 3 + at // 2 : 25] = 255
    seen = seen_of(shrunk(shapes))
    assert distance(seen, 0, 9, mirrored=False) > 0.05


def test_whitened_features_are_uncorrelated_and_of_one_variance_but_for_the_shrinkage() -> None:
    stream = torch.Generator().manual_seed(0)
    features = torch.randn(500, 6, generator=stream) @ torch.randn(6, 6, generator=stream)
    variances = torch.linalg.eigvalsh(torch.cov(features.T.double(), correction=0))
    white = (features - features.mean(0)) @ _whitening(features)
    left = torch.linalg.eigvalsh(torch.cov(white.T.double(), correction=0))
    wanted = (variances / (variances + 0.1 * variances.mean())).sort().values
    torch.testing.assert_close(left, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mirrored", [False, True])
def test_distances_to_many_are_those_to_each(images: list[np.ndarray], mirrored: bool) -> None:
    small, others = as_small(images), torch.tensor([9, 4, 5, 31])
    found = seen_of(small)
    distance(found, 0, 5, mirrored=mirrored)  # as one that was asked for before
    each = [distance(seen_of(small), 2, at, mirrored=mirrored) for at in others.tolist()]
    together = found.distances(2, others, mirrored=mirrored)
    torch.testing.assert_close(together, torch.tensor(each), rtol=0, atol=1e-5)  # of float32
