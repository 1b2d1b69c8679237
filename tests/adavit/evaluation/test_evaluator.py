import gc
import json
import random
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adavit.errors import RunError, UserError
from adavit.evaluation.evaluator import Evaluator, Interrupted
from adavit.metrics.distances import frechet_distance, kernel_distance
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.names import recorded_name
from tests.references.metrics_images import drawn_images


@pytest.fixture(scope="module")
def extractor() -> RandomFeatures:
    return RandomFeatures()


@pytest.fixture(scope="module")
def reals() -> np.ndarray:
    return drawn_images(120, seed=1)


@pytest.fixture(scope="module")
def fakes() -> np.ndarray:
    return drawn_images(90, seed=2, kind="cross")


def make_evaluator(extractor: RandomFeatures, images: Any, **arguments: Any) -> Evaluator:
    for name in ("heldout_images", "training_images"):
        if arguments.get(name) is not None:
            arguments[name] = partial(np.asarray, arguments[name])
    return Evaluator(
        extractor, images, reference_fingerprint="f00d", reference_name="drawn", **arguments
    )


def test_parts_of_the_data_are_asked_for_once_and_not_kept(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    given: list[weakref.ref[np.ndarray]] = []

    def part() -> np.ndarray:
        found = reals[:20].copy()
        given.append(weakref.ref(found))
        return found

    evaluator = Evaluator(
        extractor,
        reals,
        reference_fingerprint="f00d",
        reference_name="drawn",
        heldout_images=part,
        training_images=part,
    )
    assert not given
    for _ in range(2):
        evaluator.evaluate_images(fakes)
    gc.collect()
    assert [each() for each in given] == [None, None]


def test_only_inception_may_call_its_distance_fid() -> None:
    assert [recorded_name(m, "random") for m in ("fid", "kid")] == ["fd_random", "kid_random"]
    assert [recorded_name(m, "inception") for m in ("fid", "kid")] == ["fid", "kid"]


def test_a_record_of_the_random_extractor_never_says_fid(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    evaluator = make_evaluator(extractor, reals, heldout_images=reals[:20])
    record = evaluator.evaluate_images(fakes)
    assert evaluator.names == ("fd_random", "kid_random")
    assert not [key for key in record if "fid" in key]
    assert record["fd_random"] > record["fd_random_halves"] > 0


def test_distances_equal_those_of_the_features(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    record = make_evaluator(extractor, reals).evaluate_images(fakes)
    a, b = (extractor(torch.from_numpy(images)) for images in (fakes, reals))
    assert record["fd_random"] == pytest.approx(frechet_distance(a, b), rel=1e-6)
    assert record["kid_random"] == pytest.approx(kernel_distance(a, b), rel=1e-6)


def test_the_record_is_json_and_holds_its_protocol(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    evaluator = make_evaluator(
        extractor, reals, heldout_images=reals[:20], training_images=reals[20:70]
    )
    record = evaluator.evaluate_images(fakes, protocol={"seed": 3, "truncation": 1.0})
    protocol = json.loads(json.dumps(record))["protocol"]
    versions = protocol.pop("versions")
    assert versions["torch"] == torch.__version__
    assert set(versions) == {"adavit", "torch", "torchvision", "torch_fidelity", "numpy"}
    assert versions["torch_fidelity"].startswith("0.4")
    assert protocol == {
        "extractor": "random",
        "weights_digest": extractor.weights_digest,
        "extractor_learned_from": "nothing",
        "extractor_resize": extractor.resize,
        "device": "cpu",
        "n_fake": 90,
        "n_real": 120,
        "n_heldout": 20,
        "n_floor_reference": 100,
        "n_training": 50,
        "n_half": 60,
        "reference": "drawn",
        "split": "all",
        "reference_fingerprint": "f00d",
        "resolution": 32,
        "data_resize": None,
        "channels": 3,
        "settings": {"fid": "float64, all images", "kid": "unbiased, all images"},
        "seed": 3,
        "truncation": 1.0,
    }


def test_the_caller_cannot_overwrite_what_the_evaluator_measured(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    with pytest.raises(ValueError, match="n_fake"):
        make_evaluator(extractor, reals).evaluate_images(fakes, protocol={"n_fake": 50_000})


def test_the_floor_is_against_the_reference_without_the_heldout_images(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    copied = np.concatenate([reals, reals[:3]])  # the set holds three held-out images twice
    evaluator = make_evaluator(
        extractor, copied, heldout_images=reals[:20], training_images=reals[20:70]
    )
    record = evaluator.evaluate_images(fakes)
    features, fake_features = extractor(torch.from_numpy(reals)), extractor(torch.from_numpy(fakes))
    for name, distance in (("fd_random", frechet_distance), ("kid_random", kernel_distance)):
        expected = distance(features[:20], features[20:])
        assert record[f"{name}_floor"] == pytest.approx(expected, rel=1e-5, abs=1e-7)
        matched = distance(fake_features[:20], features[20:])
        assert record[f"{name}_at_floor"] == pytest.approx(matched, rel=1e-5)
        rest = torch.cat([features[:20], features[70:], features[:3]])
        expected = distance(features[20:70], rest)
        assert record[f"{name}_training"] == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_heldout_images_from_elsewhere_leave_the_reference_whole(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    evaluator = make_evaluator(extractor, reals, heldout_images=drawn_images(15, seed=7))
    protocol = evaluator.evaluate_images(fakes)["protocol"]
    assert (protocol["n_heldout"], protocol["n_floor_reference"]) == (15, 120)


def test_heldout_images_with_other_channels_are_compared_as_rgb(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    record = make_evaluator(extractor, reals, heldout_images=reals[:9, :1]).evaluate_images(fakes)
    assert record["protocol"]["n_floor_reference"] == 120
    assert record["fd_random_floor"] > 0


def test_without_heldout_images_there_is_no_floor_but_still_the_halves(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    for heldout in (None, reals[:0], reals[:1]):
        record = make_evaluator(extractor, reals, heldout_images=heldout).evaluate_images(fakes)
        assert "fd_random_floor" not in record
        assert record["protocol"]["n_heldout"] is None
        assert record["fd_random_halves"] > 0


def test_training_on_the_whole_reference_leaves_nothing_to_score_it_against(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    record = make_evaluator(extractor, reals, training_images=reals).evaluate_images(fakes)
    assert "fd_random_training" not in record
    assert record["protocol"]["n_training"] is None


def test_one_metric_alone_can_be_asked_for(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    for metric, name in (("fid", "fd_random"), ("kid", "kid_random")):
        record = make_evaluator(extractor, reals, metrics=[metric]).evaluate_images(fakes)
        assert set(record) == {name, f"{name}_halves", "protocol"}


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["fdi"], "metrics name 'fdi', but must be of fid, kid, .*Did you mean fid"),
        (["ssim"], "metrics name 'ssim'.*Use for example fid,kid"),
        ([], "must name each metric once"),
        (["fid", "fid"], "'fid,fid', but must name each metric once"),
    ],
)
def test_unknown_metrics_are_an_error(
    extractor: RandomFeatures, reals: np.ndarray, metrics: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        make_evaluator(extractor, reals, metrics=metrics)


def test_evaluation_leaves_all_global_random_states_alone(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - it is the global state that is looked at
    random.seed(1)
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    make_evaluator(extractor, reals, heldout_images=reals[:9]).evaluate_images(fakes)
    after = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    assert torch.equal(after[0], before[0])
    np.testing.assert_equal(after[1], before[1])
    assert after[2] == before[2]


def test_two_evaluations_give_the_same_bits(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray, tmp_path: Path
) -> None:
    arguments: dict[str, Any] = {"heldout_images": reals[:9], "cache_dir": tmp_path}
    first = make_evaluator(extractor, reals, **arguments)
    record = first.evaluate_images(fakes)
    assert first.evaluate_images(fakes) == record
    assert make_evaluator(extractor, reals, **arguments).evaluate_images(fakes) == record


class Counting(RandomFeatures):
    def __init__(self) -> None:
        super().__init__()
        self.images = 0

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        self.images += len(images)
        return super().__call__(images)


def test_features_of_real_images_are_extracted_once_per_content(
    reals: np.ndarray, fakes: np.ndarray, tmp_path: Path
) -> None:
    counting = Counting()
    evaluator = make_evaluator(counting, reals, heldout_images=reals[:9], cache_dir=tmp_path)
    assert counting.images == 0  # building it is cheap
    evaluator.prepare()
    assert counting.images == 120 + 9
    evaluator.evaluate_images(fakes)
    assert counting.images == 120 + 9 + 90
    make_evaluator(counting, reals, heldout_images=reals[:9], cache_dir=tmp_path).prepare()
    assert counting.images == 120 + 9 + 90
    changed = reals.copy()
    changed[5, 0, 0, 0] ^= 1
    make_evaluator(counting, changed, cache_dir=tmp_path).prepare()
    assert counting.images == 120 + 9 + 90 + 120


def test_the_size_of_the_batches_changes_nothing_but_rounding(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    whole = make_evaluator(extractor, reals).evaluate([torch.from_numpy(fakes)])
    split = make_evaluator(extractor, reals, batch=7).evaluate(torch.from_numpy(fakes).split(13))
    for name in ("fd_random", "kid_random"):
        assert split[name] == pytest.approx(whole[name], rel=1e-5)


def test_progress_counts_generated_images(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray
) -> None:
    counts: list[int] = []
    evaluator = make_evaluator(extractor, reals, batch=40)
    evaluator.prepare(progress=counts.append)
    assert counts == [40, 80, 120]
    counts.clear()
    evaluator.evaluate(torch.from_numpy(fakes).split(50), progress=counts.append)
    assert counts == [40, 50, 90]


@pytest.mark.parametrize("calls", [0, 1, 3, 4])
def test_a_request_to_stop_is_honoured_between_batches(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray, calls: int
) -> None:
    asked = iter([False] * calls + [True] * 99)
    evaluator = make_evaluator(extractor, reals, batch=40)  # 3 batches of reals, then 3 of fakes
    with pytest.raises(Interrupted):
        evaluator.evaluate_images(fakes, should_stop=lambda: next(asked))
    assert evaluator.evaluate_images(fakes)["fd_random"] > 0  # nothing is left half done


def test_grey_and_transparent_images_are_compared_as_rgb(extractor: RandomFeatures) -> None:
    color = drawn_images(60, seed=1)
    opaque = np.concatenate([color, np.full_like(color[:, :1], 255)], axis=1)
    record = make_evaluator(extractor, opaque).evaluate_images(color)
    assert record["fd_random"] < 1e-4
    assert record["protocol"]["channels"] == 4


def test_few_images_give_finite_distances(extractor: RandomFeatures) -> None:
    record = make_evaluator(extractor, drawn_images(2, seed=1)).evaluate_images(
        drawn_images(2, seed=2)
    )
    assert 0 < record["fd_random"] < 1e3
    assert np.isfinite(record["kid_random"])


def test_one_reference_image_is_an_error(extractor: RandomFeatures) -> None:
    with pytest.raises(
        UserError, match=r"'drawn' has fewer than 2 images.*Add images, or compare with others"
    ):
        make_evaluator(extractor, drawn_images(1, seed=1))


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_generated_images_are_an_error(
    extractor: RandomFeatures, reals: np.ndarray, count: int
) -> None:
    with pytest.raises(
        UserError, match=rf"there are {count} generated images.*at least 2.*Give more.*--fakes"
    ):
        make_evaluator(extractor, reals).evaluate_images(drawn_images(count, seed=1))


def test_another_resolution_is_an_error_that_names_both(
    extractor: RandomFeatures, reals: np.ndarray
) -> None:
    with pytest.raises(
        UserError, match=r"\(3, 16, 16\).*'drawn' has \(3, 32, 32\).*to one resolution"
    ):
        make_evaluator(extractor, reals).evaluate_images(drawn_images(5, seed=1, side=16))
    evaluator = make_evaluator(extractor, reals, heldout_images=drawn_images(5, seed=1, side=16))
    with pytest.raises(UserError, match=r"real images of shape \(3, 16, 16\)"):
        evaluator.prepare()


def test_images_of_another_type_are_an_error(extractor: RandomFeatures) -> None:
    with pytest.raises(UserError, match="float32, but metrics need uint8"):
        make_evaluator(extractor, np.zeros((5, 3, 8, 8), dtype=np.float32))


class Broken(RandomFeatures):
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        features = super().__call__(images).clone()
        features[0, 0] = torch.nan
        return features


@pytest.mark.parametrize("metrics", [["fid"], ["kid"]])
def test_features_that_are_not_finite_are_an_error(
    reals: np.ndarray, fakes: np.ndarray, metrics: list[str]
) -> None:
    with pytest.raises(RunError, match="1 of 120 reference images have features that are not"):
        make_evaluator(Broken(), reals, metrics=metrics).evaluate_images(fakes)


def test_a_memory_mapped_reference_is_read_as_any_other(
    extractor: RandomFeatures, reals: np.ndarray, fakes: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "reals.npy", reals)
    mapped = np.load(tmp_path / "reals.npy", mmap_mode="r")
    expected = make_evaluator(extractor, torch.from_numpy(reals)).evaluate_images(fakes)
    assert make_evaluator(extractor, mapped).evaluate_images(fakes) == expected
