from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adavit.errors import UserError
from adavit.metrics import reference
from adavit.metrics.distances import TooFewImagesError, frechet_distance, kernel_distance
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.reference import Reference, contained_in
from tests.references.metrics_images import drawn_images


@pytest.fixture(scope="module")
def extractor() -> RandomFeatures:
    return RandomFeatures()


@pytest.fixture(scope="module")
def reals() -> np.ndarray:
    return drawn_images(40, seed=1, side=16)


def reference_of(extractor: RandomFeatures, images: np.ndarray, **changes: Any) -> Reference:
    arguments: dict[str, Any] = {
        "heldout": None,
        "training": None,
        "metrics": ["fid", "kid", "precision"],
        "cache_dir": None,
    }
    return Reference(extractor, images, **{**arguments, **changes})


def test_real_images_score_what_the_distances_of_their_features_are(
    extractor: RandomFeatures, reals: np.ndarray
) -> None:
    features = extractor(torch.from_numpy(reals))
    found = reference_of(extractor, reals, heldout=reals[:8], training=reals[8:20])
    parts = {
        "floor": (features[:8], features[8:]),
        "training": (features[8:20], torch.cat([features[:8], features[20:]])),
    }
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    parts["halves"] = (features[order[20:]], features[order[:20]])
    assert found.scores.keys() == parts.keys()
    for name, (part, rest) in parts.items():
        score = found.scores[name]
        assert (score.count, score.reference_count) == (len(part), len(rest))
        assert set(score.figures) == {"fid", "kid", "precision"}  # not with density
        assert score.figures["fid"] == pytest.approx(frechet_distance(part, rest), rel=1e-5)
        expected = kernel_distance(part, rest)
        assert score.figures["kid"] == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert found.floor_side is not None
    assert len(found.floor_side) == 32


def test_metrics_without_a_floor_score_no_real_images(
    extractor: RandomFeatures, reals: np.ndarray
) -> None:
    found = reference_of(extractor, reals, heldout=reals[:8], metrics=["density", "is"])
    assert (found.scores, found.floor_side) == ({}, None)
    assert len(found) == 40


def test_what_too_few_images_have_no_neighbours_for_is_left_out(
    extractor: RandomFeatures, reals: np.ndarray
) -> None:
    few, more = (
        reference_of(extractor, reals[:count], metrics=["fid", "precision", "recall"]).scores[
            "halves"
        ]
        for count in (6, 8)
    )
    assert set(few.figures) == {"fid"}
    assert set(more.figures) == {"fid", "precision", "recall"}


def test_halves_are_no_larger_than_their_limit(
    extractor: RandomFeatures, reals: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reference.HALF_LIMIT == 5000
    monkeypatch.setattr(reference, "HALF_LIMIT", 7)
    score = reference_of(extractor, reals).scores["halves"]
    assert (score.count, score.reference_count) == (7, 7)


@pytest.mark.parametrize(("count", "kinds"), [(2, set()), (3, set()), (4, {"halves"})])
def test_two_halves_need_two_images_each(
    extractor: RandomFeatures, reals: np.ndarray, count: int, kinds: set[str]
) -> None:
    assert reference_of(extractor, reals[:count]).scores.keys() == kinds


def test_one_image_is_too_few(extractor: RandomFeatures, reals: np.ndarray) -> None:
    with pytest.raises(TooFewImagesError, match=r"there are 1 reference images.*Give more images"):
        reference_of(extractor, reals[:1])


def test_features_come_from_the_cache_the_second_time(
    extractor: RandomFeatures, reals: np.ndarray, tmp_path: Path
) -> None:
    counts: list[int] = []
    for _ in range(2):
        found = reference_of(
            extractor, reals, heldout=reals[:8], cache_dir=tmp_path, progress=counts.append
        )
        assert found.scores["floor"].count == 8
    assert counts[-1] == 40
    assert counts.count(40) == 1
    assert (
        len(list((tmp_path / "features").glob("[!.]*"))) == 2
    )  # of the reference and of the held-out images


def test_images_are_found_again_pixel_for_pixel(reals: np.ndarray) -> None:
    part = reals[[5, 30]].copy()
    assert np.flatnonzero(contained_in(reals, part)).tolist() == [5, 30]
    part[0, 0, 0, 0] ^= 1
    assert np.flatnonzero(contained_in(reals, part)).tolist() == [30]
    twice = np.concatenate([reals[:3], reals[:3]])
    assert contained_in(twice, reals[1:2]).tolist() == [False, True, False] * 2
    assert not contained_in(reals, part[:, :1]).any()  # grey ones are others


def test_images_of_another_size_are_an_error_that_names_both(reals: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"\(3, 8, 16\).*\(3, 16, 16\).*Decode both at one"):
        contained_in(reals, reals[:, :, :8])
