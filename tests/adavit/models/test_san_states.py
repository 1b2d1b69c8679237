import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adavit.models.epilogue import LabelProjection
from adavit.models.last_layer import LastLayer, Projection
from adavit.models.layers import EqualisedLinear
from adavit.models.san import SlicedDense, sliced
from adavit.models.san_states import plain_state, sliced_state
from adavit.models.vit.constraints import ImprovedSpectralNorm, SpectralNorm, constrain

LABELS = torch.tensor([1, 0, 1, 2])
SHAPES = {"equalised": (4, 5), "dense": (4, 7, 5), "map": (4, 5, 6, 5)}
BOUNDS = [SpectralNorm, ImprovedSpectralNorm]


def plain(kind: str, classes: int = 0, seed: int = 0, bound: type[nn.Module] | None = None) -> Any:
    """A layer somewhere in training: no number is what it began as."""
    torch.manual_seed(seed)
    outputs = 6 if classes else 1
    dense: nn.Module = {
        "equalised": lambda: EqualisedLinear(5, outputs),
        "dense": lambda: nn.Linear(5, outputs),
        "map": lambda: nn.Conv2d(5, outputs, 3),
    }[kind]()
    projection: Projection | None = None
    if classes:
        projection = (
            LabelProjection(classes, 6, 2) if kind == "equalised" else Projection(classes, 6)
        )
    layer = LastLayer(dense, projection)
    if bound is not None:
        constrain(layer, bound)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(1.5).add_(0.3 * torch.randn(parameter.shape))
    return layer


def read(layer: LastLayer, kind: str) -> Tensor:
    features = torch.randn(SHAPES[kind], generator=torch.Generator().manual_seed(1))
    labels = None if layer.projection is None else LABELS
    with torch.no_grad():
        return layer(features, labels)


@pytest.mark.parametrize("bound", [None, *BOUNDS])
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("kind", SHAPES)
def test_san_is_the_function_of_the_layer_without(
    kind: str, classes: int, bound: type[nn.Module] | None
) -> None:
    source = plain(kind, classes, 1, bound)
    layer = sliced(plain(kind, classes, 2, bound))
    before = copy.deepcopy(layer.state_dict())
    state = sliced_state(layer, source.state_dict())
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)
    layer.load_state_dict(state)
    torch.testing.assert_close(read(layer, kind), read(source, kind), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("kind", SHAPES)
def test_a_layer_without_is_the_function_of_san(kind: str, classes: int) -> None:
    source = sliced(plain(kind, classes, 1))
    with torch.no_grad():
        source.scale.mul_(2.5)  # type: ignore[union-attr]
        if isinstance(source, SlicedDense):
            source.dense.bias.add_(0.3 * torch.randn(source.dense.bias.shape))  # type: ignore
    layer = plain(kind, classes, 2)
    before = copy.deepcopy(layer.state_dict())
    state, lost = plain_state(layer, source.state_dict())
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)
    assert lost == ""
    layer.load_state_dict(state)
    torch.testing.assert_close(read(layer, kind), read(source, kind), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("classes", [0, 3])
def test_a_bounded_layer_says_that_it_cannot_have_the_scale(
    classes: int, bound: type[nn.Module]
) -> None:
    source = sliced(plain("dense", classes, 1, bound))
    layer = plain("dense", classes, 2, bound)
    if not classes and bound is ImprovedSpectralNorm:  # else of one norm
        layer.dense.parametrizations.weight[0].initial.copy_(source.scale.detach())  # type: ignore[arg-type]
    assert plain_state(layer, source.state_dict())[1] == ""
    with torch.no_grad():
        source.scale.mul_(2.5)  # type: ignore[union-attr]
    state, lost = plain_state(layer, source.state_dict())
    assert lost == "its scale, which is bounded here"
    layer.load_state_dict(state)
    torch.testing.assert_close(
        2.5 * read(layer, "dense"), read(source, "dense"), rtol=1e-4, atol=1e-5
    )


def test_scales_of_classes_become_one_which_is_said() -> None:
    source, layer = sliced(plain("dense", 3, 1)), plain("dense", 3, 2)
    with torch.no_grad():
        source.scale.copy_(torch.tensor([1.0, 2.0, 3.0]))  # type: ignore[union-attr]
    state, lost = plain_state(layer, source.state_dict())
    assert lost == "a scale of each class"
    layer.load_state_dict(state)
    factors = torch.tensor([2 / 2, 2 / 1, 2 / 2, 2 / 3])
    torch.testing.assert_close(
        read(layer, "dense"), factors * read(source, "dense"), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(("there", "here"), [(0, 3), (3, 0), (3, 2)])
def test_other_classes_are_refused(there: int, here: int) -> None:
    with pytest.raises(RuntimeError):
        sliced_state(sliced(plain("dense", here)), plain("dense", there).state_dict())
    with pytest.raises(RuntimeError):
        plain_state(plain("dense", here), sliced(plain("dense", there)).state_dict())
