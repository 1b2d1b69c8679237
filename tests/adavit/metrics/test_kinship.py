import pytest

from adavit.metrics.extractors.drawn_features import drawn_features
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.kinship import flattered_by, legend, mark_of, related

RESNET, DINOV2 = "torchvision:resnet18 0123456789", "timm:vit_small_patch14_dinov2 89ab"


@pytest.mark.parametrize(
    ("learned_from", "expected"),
    [
        ("ImageNet", [RESNET, DINOV2]),
        ("CLIP", [DINOV2]),  # of another library anything may be behind a name
        ("DINOv2", [DINOV2]),
        ("nothing", []),
        ("small_set", []),  # neither library has seen the drawings
        (None, [RESNET, DINOV2]),  # a record that does not say so
        (["odd"], [RESNET, DINOV2]),
    ],
)
def test_doubt_counts_as_kinship_but_random_features_have_no_kin(
    learned_from: object, expected: list[str]
) -> None:
    assert related([RESNET, DINOV2], learned_from) == expected
    protocol = {"discriminator_saw": [RESNET, DINOV2], "extractor_learned_from": learned_from}
    assert flattered_by(protocol) == expected
    assert related([], learned_from) == []


@pytest.mark.parametrize(
    ("learned_from", "flattered"), [("ImageNet", True), ("DINOv2", False), (None, True)]
)
def test_lpips_has_learned_from_imagenet(learned_from: str | None, flattered: bool) -> None:
    network = f"lpips-vgg16 {'01' * 32}"
    assert related([network], learned_from) == ([network] if flattered else [])


@pytest.mark.parametrize("seen", [None, "unknown", 7, []])
def test_where_no_network_is_recorded_none_flatters(seen: object) -> None:
    assert flattered_by({"discriminator_saw": seen, "extractor_learned_from": "ImageNet"}) == []


def test_runs_are_marked_whatever_they_are_measured_with_and_unknown_ones_where_it_matters() -> (
    None
):
    for learned_from in ("ImageNet", "nothing"):
        measured = {"extractor_learned_from": learned_from}
        assert mark_of(measured | {"discriminator_saw": [RESNET]}) == "pretrained features"
        assert mark_of(measured | {"discriminator_saw": None}) == ""
        expected = "unknown discriminator" if learned_from == "ImageNet" else ""
        assert mark_of(measured | {"discriminator_saw": "unknown"}) == expected


def test_the_legend_names_each_network_once_by_the_beginning_of_its_digest() -> None:
    text = legend([RESNET, DINOV2, RESNET])
    assert "(torchvision:resnet18 01234567, timm:vit_small_patch14_dinov2 89ab)" in text
    assert "(torchvision:a 1, torchvision:a 2, torchvision:a 3 and 6 more)" in legend(
        [f"torchvision:a {digest}" for digest in range(1, 10)]
    )


def test_a_trunk_that_learned_other_images_may_have_learned_drawings() -> None:
    assert related(["adavit:small_set@3:500 0123"], drawn_features().learned_from) != []


def test_the_random_network_has_learned_from_nothing() -> None:
    assert RandomFeatures().learned_from == "nothing"
