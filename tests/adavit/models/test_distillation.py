import pytest
import torch
from torch import nn

from adavit.models.distillation import (
    PREDICTORS,
    TokenPredictors,
    add_predictors,
    distillation_loss,
    predict_tokens,
)
from tests.networks import make_vit

SIZES = {"resolution": 8, "patch": 2, "width": 16, "depth": 1, "heads": 2}


def with_predictors(**changes: object) -> tuple[nn.Module, TokenPredictors]:
    torch.manual_seed(0)
    network = make_vit(**{**SIZES, **changes})
    add_predictors(network, hidden=12, target=20)
    predictors = network.get_submodule(PREDICTORS)
    assert isinstance(predictors, TokenPredictors)
    return network, predictors


def test_each_kind_of_token_has_three_layers_with_silu_between() -> None:
    _, predictors = with_predictors()
    tokens = torch.randn(3, 17, 16)
    found = predictors(tokens)
    of_class, of_patches = predictors.of_class, predictors.of_patches
    assert of_class is not None
    for layers, prediction, part in (
        (of_class, found[0], tokens[:, :1]),
        (of_patches, found[1], tokens[:, 1:]),
    ):
        weights = dict(layers.named_parameters())
        values = part
        for index in (0, 2, 4):
            values = values @ weights[f"{index}.weight"].T + weights[f"{index}.bias"]
            if index < 4:
                values = values / (1 + torch.exp(-values))
        torch.testing.assert_close(prediction, values)
    assert [p.shape[0] for p in of_class.parameters()] == [12, 12, 12, 12, 20, 20]
    assert not torch.equal(of_class[0].weight, of_patches[0].weight)


def test_the_loss_is_one_minus_the_cosine_of_patches_on_average_and_of_the_class_token() -> None:
    first, rest, tokens = torch.randn(3, 1, 5), torch.randn(3, 4, 5), torch.randn(3, 5, 5)
    expected = 0.0
    for image in range(3):
        for place in range(5):
            found = first[image, 0] if place == 0 else rest[image, place - 1]
            wanted = tokens[image, place]
            cosine = float(found @ wanted) / float(found.norm() * wanted.norm())
            expected += (1 - cosine) / (3 if place == 0 else 12)
    assert distillation_loss([first, rest], tokens).item() == pytest.approx(expected, rel=1e-5)
    same = [tokens[:, :1], 7 * tokens[:, 1:]]
    assert distillation_loss(same, tokens).item() == pytest.approx(0, abs=1e-5)
    assert distillation_loss([-part for part in same], tokens).item() == pytest.approx(4, abs=1e-5)


@pytest.mark.parametrize("readout", ["gap", "tokens"])
def test_without_a_class_token_the_patches_are_predicted_alone(readout: str) -> None:
    network, predictors = with_predictors(readout=readout)
    assert predictors.of_class is None
    encoder = network.get_submodule("encoder")
    (found,) = predict_tokens(encoder, predictors, torch.rand(2, 3, 8, 8))  # type: ignore[arg-type]
    tokens = torch.randn(2, 17, 20)
    cosine = torch.nn.functional.cosine_similarity(found, tokens[:, 1:], dim=2)
    torch.testing.assert_close(distillation_loss([found], tokens), 1 - cosine.mean())


def test_the_logits_are_those_without_predictors() -> None:
    network, _ = with_predictors()
    torch.manual_seed(0)
    plain, images = make_vit(**SIZES), torch.rand(3, 3, 8, 8)
    assert torch.equal(network(images), plain(images))
