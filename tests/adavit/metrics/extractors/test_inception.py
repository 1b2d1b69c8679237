from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch_fidelity
from torch.utils.data import Dataset
from torch_fidelity import metric_kid
from torch_fidelity.utils import create_feature_extractor

from adavit.evaluation.evaluator import Evaluator
from adavit.metrics.extractors.choice import choose_extractor
from adavit.metrics.extractors.inception import InceptionFeatures, expected_state
from tests.references.metrics_images import drawn_images


@pytest.fixture(scope="module")
def extractor(inception_state: dict[str, torch.Tensor]) -> InceptionFeatures:
    return InceptionFeatures(inception_state, "0" * 64)


def test_expected_state_takes_no_memory_and_has_the_published_number_of_tensors() -> None:
    state = expected_state()
    assert len(state) == 566
    assert all(tensor.is_meta for tensor in state.values())


def test_building_leaves_global_random_state_alone(
    inception_state: dict[str, torch.Tensor],
) -> None:
    before = torch.get_rng_state()
    InceptionFeatures(inception_state, "0" * 64)
    expected_state()
    assert torch.equal(torch.get_rng_state(), before)


def test_features_equal_those_of_torch_fidelity(
    extractor: InceptionFeatures, inception_file: Path
) -> None:
    images = torch.from_numpy(drawn_images(4, seed=0))
    theirs = create_feature_extractor(
        "inception-v3-compat",
        ["2048"],
        cuda=False,
        verbose=False,
        feature_extractor_weights_path=str(inception_file),
    )
    expected = theirs(images)[0]
    ours = extractor(images)
    assert ours.shape == (4, extractor.features)
    assert float(expected.std(dim=0).mean()) > 1e-3  # random weights, but not dead ones
    # Another memory layout adds in another order, over 94 layers.
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-4 * float(expected.max()))


def test_grey_images_are_repeated_and_any_size_is_taken(extractor: InceptionFeatures) -> None:
    grey = torch.from_numpy(drawn_images(2, seed=0, side=17))[:, :1]
    assert torch.equal(extractor(grey), extractor(grey.repeat(1, 3, 1, 1)))


class _Images(Dataset):
    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.images[index])


def test_logits_equal_those_of_torch_fidelity(
    extractor: InceptionFeatures, inception_file: Path
) -> None:
    images = torch.from_numpy(drawn_images(3, seed=0))
    theirs = create_feature_extractor(
        "inception-v3-compat",
        ["logits_unbiased"],
        cuda=False,
        verbose=False,
        feature_extractor_weights_path=str(inception_file),
    )
    expected = theirs(images)[0]
    ours = extractor.logits(extractor(images))
    assert ours.shape == (3, 1008)
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@pytest.fixture
def kernel_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch-fidelity sums its kernel in float32, which alone is wrong by 3e-7, and more on some processors."""
    kernel = metric_kid.kernel_poly

    def exact(first: np.ndarray, second: np.ndarray, **how: Any) -> np.ndarray:
        return kernel(first.astype(np.float64), second.astype(np.float64), **how)

    monkeypatch.setattr(metric_kid, "kernel_poly", exact)


@pytest.mark.slow
@pytest.mark.usefixtures("kernel_in_float64")
def test_all_metrics_equal_calculate_metrics(inception_file: Path) -> None:
    fakes, reals = drawn_images(24, seed=0), drawn_images(20, seed=1, kind="cross")
    with torch.random.fork_rng(devices=[]):  # torch-fidelity moves the global generator
        expected = torch_fidelity.calculate_metrics(
            input1=_Images(fakes),
            input2=_Images(reals),
            cuda=False,
            fid=True,
            kid=True,
            isc=True,
            prc=True,
            kid_subset_size=20,
            # Named, it serves precision and recall too; the default there is VGG16.
            feature_extractor="inception-v3-compat",
            feature_extractor_weights_path=str(inception_file),
            save_cpu_ram=True,
            verbose=False,
        )
    extractor, note = choose_extractor("inception", weights=inception_file)
    record = Evaluator(
        extractor,
        reals,
        reference_fingerprint="x",
        reference_name="crosses",
        metrics=["fid", "kid", "kid_subsets", "precision", "recall", "is"],
    ).evaluate_images(fakes)
    assert note is not None  # these are not the published weights
    assert "not comparable" in note
    assert record["fid"] == pytest.approx(expected["frechet_inception_distance"], rel=1e-4)
    assert record["is"] == pytest.approx(expected["inception_score_mean"], rel=1e-4)
    # A spread is small beside its mean, so that rounding of the features shows more in it.
    assert record["is_std"] == pytest.approx(expected["inception_score_std"], rel=1e-2)
    assert record["precision_inception"] == pytest.approx(expected["precision"], rel=1e-4)
    assert record["recall_inception"] == pytest.approx(expected["recall"], rel=1e-4)
    theirs = expected["kernel_inception_distance_mean"]
    assert record["kid_subsets"] == pytest.approx(theirs, rel=1e-4)
    spread = expected["kernel_inception_distance_std"]
    assert record["kid_subsets_std"] == pytest.approx(spread, rel=1e-2)
    assert record["fid"] > 0


@pytest.mark.slow
@pytest.mark.usefixtures("kernel_in_float64")
def test_the_full_sample_form_equals_calculate_metrics_with_one_subset(
    inception_file: Path,
) -> None:
    fakes, reals = drawn_images(12, seed=0), drawn_images(12, seed=1, kind="cross")
    with torch.random.fork_rng(devices=[]):
        expected = torch_fidelity.calculate_metrics(
            input1=_Images(fakes),
            input2=_Images(reals),
            cuda=False,
            kid=True,
            kid_subsets=1,  # one subset of all images is our full-sample form
            kid_subset_size=12,
            feature_extractor_weights_path=str(inception_file),
            save_cpu_ram=True,
            verbose=False,
        )
    extractor, _ = choose_extractor("inception", weights=inception_file)
    record = Evaluator(
        extractor, reals, reference_fingerprint="x", reference_name="crosses", metrics=["kid"]
    ).evaluate_images(fakes)
    theirs = expected["kernel_inception_distance_mean"]
    assert record["kid"] == pytest.approx(theirs, rel=1e-4)
