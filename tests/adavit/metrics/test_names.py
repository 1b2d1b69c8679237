import pytest

from adavit.errors import UserError
from adavit.metrics.names import check_names, metric_of, recorded_name


@pytest.mark.parametrize(
    ("metric", "extractor_name", "recorded"),
    [
        ("fid", "inception", "fid"),
        ("fid", "vgg16", "fd_vgg16"),
        ("fid_infinity", "random", "fd_infinity_random"),
        ("kid_subsets", "dinov2-vit-l-14", "kid_subsets_dinov2-vit-l-14"),
        ("precision", "vgg16", "precision"),
        ("precision", "inception", "precision_inception"),
        ("coverage", "torchvision-resnet50", "coverage_torchvision-resnet50"),
        ("ppl", "lpips-vgg16", "ppl"),
        ("ppl", "random", "ppl_random"),
    ],
)
def test_a_plain_name_belongs_to_the_reference_extractor_alone(
    metric: str, extractor_name: str, recorded: str
) -> None:
    assert recorded_name(metric, extractor_name) == recorded
    assert metric_of(recorded) == metric


@pytest.mark.parametrize(
    "name",
    [
        "images",
        "seconds",
        "protocol",
        "fid_floor",
        "kid_random_at_floor",
        "fd_random_halves",
        "kid_subsets_random_std",
        "is_std",
        "fido",
        "fd",
    ],
)
def test_other_keys_of_a_record_are_no_metrics(name: str) -> None:
    assert metric_of(name) is None


@pytest.mark.parametrize(
    ("names", "message"),
    [(["fdi"], "Did you mean fid"), ([], "name each metric once"), (["is", "is"], "'is,is'")],
)
def test_unknown_and_repeated_names_are_an_error(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_names(names)
