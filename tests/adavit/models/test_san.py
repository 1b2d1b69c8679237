"""SAN's last layer against its formula, v = s <w / |w|, h + b>, written out in float64."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.features.heads import Head, PatchHead, TokenHead
from adavit.models.epilogue import LabelProjection
from adavit.models.last_layer import LastLayer, Projection
from adavit.models.layers import EqualisedLinear
from adavit.models.san import (
    Direction,
    SanLayer,
    SlicedDense,
    SlicedProjection,
    slice_last_layers,
    sliced,
)
from tests.adavit.models.test_discriminators import drawn, small

LABELS = torch.tensor([1, 0, 1, 2])
SHAPES = [(4, 5), (4, 7, 5), (4, 5, 6, 5)]
"""Features of images, of their tokens, and of a map."""


def make(shape: tuple[int, ...], classes: int) -> SanLayer:
    """A layer somewhere in training: with a bias, a scale and off its sphere."""
    torch.manual_seed(0)
    outputs = 6 if classes else 1
    dense: nn.Module = nn.Conv2d(5, outputs, 3) if len(shape) == 4 else nn.Linear(5, outputs)
    layer = sliced(LastLayer(dense, Projection(classes, 6) if classes else None))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return layer


def parts_of(layer: SanLayer) -> tuple[Tensor, Tensor, Tensor | None]:
    """w, s and b by the formulas, in float64: w not yet of norm 1."""
    if isinstance(layer, SlicedDense):
        direction: Any = layer.dense
        bias = direction.bias.detach().double() / direction.bias.numel() ** 0.5
        return direction.weight.detach().double(), layer.scale.detach().double(), bias
    embedding: Any = layer.projection.embedding  # type: ignore[union-attr]
    vectors = embedding.weight.detach().double() / 3**0.5 + embedding.bias.detach().double()
    return vectors[LABELS], layer.scale.detach().double()[LABELS], None


def by_formula(
    vectors: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None, kernel: int
) -> Tensor:
    """The logits, of every place of a map on its own."""
    if bias is None:  # with classes
        unit = weight / weight.square().sum(dim=1, keepdim=True).sqrt()
        scale = scale.view(-1, *[1] * (vectors.ndim - 2))
        return torch.einsum("bm...,bm->b...", vectors, unit) * scale
    unit = weight[0] / weight.square().sum().sqrt()
    if vectors.ndim == 4:
        patches = vectors.unfold(2, kernel, 1).unfold(3, kernel, 1)  # [B, C, h, w, K, K]
        moved = patches + bias[0][None, :, None, None]
        return torch.einsum("bcijkl,ckl->bij", moved, unit) * scale
    each = torch.einsum("b...f,f->b...", vectors + bias[0], unit) * scale
    return each.mean(dim=1) if each.ndim == 2 else each


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("classes", [0, 3])
def test_logits_are_those_of_the_formula(shape: tuple[int, ...], classes: int) -> None:
    layer, features = make(shape, classes), torch.randn(shape)
    vectors = layer.prepare(features).detach()
    expected = by_formula(vectors.double(), *parts_of(layer), kernel=3).float()
    assert expected.shape == ((4, 4, 3) if len(shape) == 4 else (4,))
    logits = layer(features, LABELS)
    torch.testing.assert_close(logits, expected)
    for slice_ in layer.slices(vectors, LABELS):
        torch.testing.assert_close(slice_, logits)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("classes", [0, 3])
def test_one_slice_teaches_all_but_the_direction_and_the_other_the_direction(
    shape: tuple[int, ...], classes: int
) -> None:
    layer = make(shape, classes)
    vectors = layer.prepare(torch.randn(shape)).detach().requires_grad_()
    whole, along = layer.slices(vectors, LABELS)
    upstream = torch.randn(whole.shape)
    names = dict(layer.named_parameters())
    turning = {n for n in names if n == "dense.weight" or n.startswith("projection.")}
    if classes:
        turning.discard("dense.weight")  # it is before the vectors

    def gradients(logits: Tensor) -> dict[str, Tensor]:
        inputs = {**names, "vectors": vectors}
        found = torch.autograd.grad(
            (logits * upstream).sum(), list(inputs.values()), allow_unused=True, retain_graph=True
        )
        return {n: g for n, g in zip(inputs, found, strict=True) if g is not None}

    # By the formula, in float64, where w, s, b and h are leaves of their own.
    weight, scale, bias = parts_of(layer)
    leaves = [vectors.detach().double(), weight, scale, *([] if bias is None else [bias])]
    for leaf in leaves:
        leaf.requires_grad_()
    expected = by_formula(*leaves, *([None] if bias is None else []), kernel=3)  # type: ignore[call-arg]
    exact = torch.autograd.grad((expected * upstream.double()).sum(), leaves)

    found = gradients(whole)
    assert found.keys() == {"vectors", "scale"} | ({"dense.bias"} if not classes else set())
    torch.testing.assert_close(found["vectors"], exact[0].float())
    if classes:
        by_class = torch.zeros(3).index_add(0, LABELS, exact[2].float())
        torch.testing.assert_close(found["scale"], by_class)
    else:
        torch.testing.assert_close(found["scale"], exact[2].float())
        gain = names["dense.bias"].numel() ** -0.5
        torch.testing.assert_close(found["dense.bias"], exact[3].float() * gain)
    found = gradients(along)
    assert found.keys() == turning
    if not classes:
        torch.testing.assert_close(found["dense.weight"], exact[1].float())
    else:
        table = torch.zeros(3, 6).index_add(0, LABELS, exact[1].float()) / 3**0.5
        torch.testing.assert_close(found["projection.embedding.weight"], table)


FORMS: list[tuple[str, dict[str, Any]]] = [
    *((kind, {"num_classes": classes}) for kind in ("resnet", "plain", "r3gan") for classes in (0, 3)),
    *(
        ("vit", {"readout": readout, "num_classes": classes, "minibatch_std_group": 2})
        for readout in ("cls", "gap", "cls+gap", "tokens")
        for classes in (0, 3)
    ),
    ("vit", {"weight_constraint": "sn"}),
    ("vit", {"weight_constraint": "isn", "num_classes": 3}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "sizes"), FORMS)
def test_every_discriminator_starts_as_the_same_function_of_directions_of_norm_1(
    kind: str, sizes: dict[str, Any]
) -> None:
    plain, discriminator = small(kind, **sizes), small(kind, **sizes)
    state = torch.get_rng_state()
    slice_last_layers(discriminator)
    assert torch.equal(torch.get_rng_state(), state)
    last = discriminator.head
    assert isinstance(last, SlicedProjection if sizes.get("num_classes") else SlicedDense)
    labels = torch.tensor([0, 2, 1, 1]) if sizes.get("num_classes") else None
    images = drawn(4)
    torch.testing.assert_close(
        discriminator(images, labels), plain(images, labels), rtol=1e-4, atol=1e-5
    )
    norms = last.slice_of(labels).direction.flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    others = [name for name, _ in plain.named_parameters() if not name.startswith("head.")]
    found = dict(discriminator.named_parameters())
    assert all(torch.equal(found[name], plain.get_parameter(name)) for name in others)


@pytest.mark.parametrize("kind", ["patches", "token"])
@pytest.mark.parametrize("classes", [0, 3])
def test_a_head_starts_as_the_same_function(kind: str, classes: int) -> None:
    torch.manual_seed(0)
    head: Head = TokenHead(5, num_classes=classes)
    if kind == "patches":
        head = PatchHead(
            5, 14, width=6, normalization="none", minibatch_std_group=0, num_classes=classes
        ).eval()
    maps, labels = torch.randn(4, 5, 14, 14), LABELS if classes else None
    maps = maps if kind == "patches" else maps[:, :, :1, :1]
    expected = head(maps, labels)
    slice_last_layers(head)
    assert isinstance(head.readout, SanLayer)
    torch.testing.assert_close(head(maps, labels), expected, rtol=1e-4, atol=1e-5)
    # Without classes its norm is s alone, which spectral norm would hold at 1.
    bounded = [name for name, _ in head.readout.named_parameters() if "original" in name]
    assert bool(bounded) is bool(classes and kind == "patches")


def test_a_direction_goes_back_to_its_sphere_and_keeps_its_way() -> None:
    torch.manual_seed(0)
    direction = Direction(0.25 * torch.randn(1, 300))
    radius = direction.weight.norm().item()
    with torch.no_grad():
        direction.weight.add_(torch.randn(1, 300))
    before, _ = direction()
    unchanged = direction.weight.detach().clone()
    direction.normalise(torch.tensor(False))
    assert torch.equal(direction.weight, unchanged)
    direction.normalise(torch.tensor(True))
    assert direction.weight.norm().item() == pytest.approx(radius, rel=1e-6)
    torch.testing.assert_close(direction()[0], before)
    torch.testing.assert_close(before.norm(), torch.tensor(1.0))


@pytest.mark.parametrize("std", [1.0, 0.02])
def test_adam_turns_it_as_fast_as_the_layer_it_replaces(std: float) -> None:
    """A step of Adam moves every number by the rate: the angle is that of the plain layer, whatever its size."""
    torch.manual_seed(0)
    plain = nn.Linear(200, 1)
    nn.init.normal_(plain.weight, std=std)
    nn.init.zeros_(plain.bias)
    before = plain.weight.detach().clone()
    direction = sliced(LastLayer(plain)).dense
    signs = torch.randn(1, 200).sign()
    rate = 0.005
    with torch.no_grad():
        plain.weight.add_(rate * signs)
        direction.weight.add_(rate * signs)  # type: ignore[operator, union-attr]
    angle = F.cosine_similarity(plain.weight, before)
    unit, _ = direction()
    torch.testing.assert_close(F.cosine_similarity(unit, before), angle)
    # And the bias moves <w, b> by no more than the one of a dense layer would.
    with torch.no_grad():
        direction.bias.add_(rate * unit.sign())  # type: ignore[operator, union-attr]
    unit, offset = direction()
    assert 0.7 * rate < (unit * offset).sum().item() <= rate * (1 + 1e-5)


@pytest.mark.parametrize("classes", [0, 3])
def test_it_reads_in_float32_under_autocast(classes: int) -> None:
    layer = make((4, 5), classes)
    vectors = layer.prepare(torch.randn(4, 5)).detach()
    expected = layer.read(vectors, LABELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer.read(vectors, LABELS), expected)
        for slice_ in layer.slices(vectors, LABELS):
            torch.testing.assert_close(slice_, expected)


def test_an_equalised_layer_has_scale_1_in_the_mean_and_labels_one_each() -> None:
    torch.manual_seed(0)
    layer = sliced(LastLayer(EqualisedLinear(4000, 1)))
    assert layer.get_parameter("scale").item() == pytest.approx(1, rel=0.05)
    layer = sliced(LastLayer(nn.Linear(5, 512), LabelProjection(7, 512, layers=2)))
    assert layer.get_parameter("scale").shape == (7,)
    torch.testing.assert_close(layer.get_parameter("scale"), torch.ones(7), rtol=0, atol=0.2)
