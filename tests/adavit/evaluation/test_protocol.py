from typing import Any

import pytest

from adavit.evaluation.protocol import (
    PROTOCOLS,
    EvaluationProtocol,
    comparison_key,
    differing_fields,
    find_protocol,
    protocol_without_real_images,
    versions,
)
from adavit.metrics.extractors.random_features import RandomFeatures

PROTOCOL: dict[str, Any] = {
    "extractor": "inception",
    "weights_digest": "6726",
    "extractor_resize": "bilinear",
    "device": "cpu",
    "n_fake": 5000,
    "n_real": 2000,
    "n_heldout": 100,
    "n_half": 1000,
    "reference": "photos",
    "split": "all",
    "reference_fingerprint": "f00d",
    "resolution": 32,
    "data_resize": "Lanczos",
    "channels": 3,
    "settings": {"fid": "all", "kid_subsets": "100 subsets of 1000"},
    "versions": {"torch": "2.15.0"},
    "seed": 0,
    "truncation": 1.0,
    "labels": None,
    "name": None,
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("extractor", "random"),
        ("weights_digest", "0000"),
        ("extractor_resize", "nearest"),
        ("n_fake", 10_000),
        ("n_real", 1999),
        ("split", "test"),
        ("reference_fingerprint", "beef"),
        ("resolution", 64),
        ("data_resize", None),
        ("channels", 1),
    ],
)
def test_what_moves_a_figure_makes_two_protocols(field: str, value: object) -> None:
    assert differing_fields(PROTOCOL, PROTOCOL | {field: value}, "fid") == [field]
    missing = {key: kept for key, kept in PROTOCOL.items() if key != field}
    assert differing_fields(PROTOCOL, missing, "fid") == [field]


def test_images_that_do_not_say_how_they_were_drawn_compare_with_truncation_1_alone() -> None:
    missing = {key: kept for key, kept in PROTOCOL.items() if key != "truncation"}
    truncated = PROTOCOL | {"truncation": 0.7}
    for images in (missing, PROTOCOL | {"truncation": None}):
        assert differing_fields(PROTOCOL, images, "fid") == []
        assert differing_fields(truncated, images, "fid") == ["truncation"]
    assert differing_fields(PROTOCOL, truncated, "fid") == ["truncation"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", 7),
        ("device", "cuda"),
        ("versions", {"torch": "2.11.0"}),
        ("reference", "the same photos elsewhere"),
        ("n_heldout", None),
        ("n_half", 3),
        ("name", "quick5k"),
    ],
)
def test_what_does_not_move_it_does_not(field: str, value: object) -> None:
    assert differing_fields(PROTOCOL, PROTOCOL | {field: value}, "fid") == []


def test_only_the_metrics_own_setting_counts() -> None:
    other = PROTOCOL | {"settings": {"fid": "all", "kid_subsets": "100 subsets of 500"}}
    assert differing_fields(PROTOCOL, other, "fid") == []
    assert differing_fields(PROTOCOL, other, "kid_subsets") == ["setting"]


LABELS = [None, "training images", "uniform"]


@pytest.mark.parametrize("first", LABELS)
@pytest.mark.parametrize("second", LABELS)
def test_figures_compare_if_their_labels_were_drawn_alike(
    first: str | None, second: str | None
) -> None:
    a, b = PROTOCOL | {"labels": first}, PROTOCOL | {"labels": second}
    assert differing_fields(a, b, "fid") == ([] if first == second else ["labels"])
    assert (comparison_key(a, "fid") == comparison_key(b, "fid")) is (first == second)


SAW = {"discriminator_saw": ["torchvision:resnet18 0123"], "extractor_learned_from": "ImageNet"}


def test_what_a_discriminator_saw_moves_figures_in_related_features_alone() -> None:
    plain = PROTOCOL | {"extractor_learned_from": "ImageNet", "discriminator_saw": None}
    assert differing_fields(plain, PROTOCOL | SAW, "fid") == ["flattered_by"]
    assert differing_fields(plain, PROTOCOL | SAW, "fid", anyway=True) == []
    assert comparison_key(PROTOCOL | SAW, "fid")["flattered_by"] == SAW["discriminator_saw"]
    for unrelated in ("CLIP", "DINOv2", "nothing"):
        other = {"extractor_learned_from": unrelated}
        assert differing_fields(plain | other, PROTOCOL | SAW | other, "fid") == []


def test_a_field_of_none_may_be_missing() -> None:
    short = {key: value for key, value in PROTOCOL.items() if value is not None}
    assert comparison_key(short, "fid") == comparison_key(PROTOCOL, "fid")


@pytest.mark.parametrize("metric", ["ppl", "is"])
def test_the_real_side_says_nothing_of_metrics_without_one(metric: str) -> None:
    other = PROTOCOL | {"n_real": None, "split": None, "reference_fingerprint": None}
    other |= {"data_resize": None}
    assert differing_fields(PROTOCOL, other, metric) == []
    assert "n_real" in differing_fields(PROTOCOL, other, "fid")


def test_the_protocol_of_paths_has_the_fields_of_all_others() -> None:
    protocol = protocol_without_real_images(RandomFeatures(), fakes=50, resolution=32, channels=3)
    assert list(protocol) == list(EvaluationProtocol.__dataclass_fields__)
    assert (protocol["n_fake"], protocol["n_real"]) == (50, None)
    assert protocol["versions"] == versions()


def test_the_published_protocols_are_what_their_names_say() -> None:
    rows = {name: (row.fakes, row.against) for name, row in PROTOCOLS.items()}
    assert rows == {
        "train50k": (50_000, "training set"),
        "test10k": (10_000, "test split"),
        "quick5k": (5_000, "data"),
        "fewshot5k": (5_000, "trained on"),
    }
    assert find_protocol("quick5k").fakes == 5000
