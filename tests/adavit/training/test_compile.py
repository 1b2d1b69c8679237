"""Compiled slices have the gradients of slices computed operation by operation, whatever the step consists of."""

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from functorch.compile import make_boxed_func
from torch import Tensor, fx
from torch._dynamo.backends.common import aot_autograd

from adavit.config.section import AUTO
from adavit.config.training import TrainingConfig
from adavit.models import resampling
from adavit.models.names import AttentionKind, ResNetForm, Stem
from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import build_step
from adavit.training.step import compiled_slices
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.slice_programs import SlicePrograms
from tests.adavit.training.step.test_joined_products import join, products
from tests.adavit.training.test_options import BATCH, SMALL, TINY_NETWORKS, Layer, workload
from tests.published_vit import write_published
from tests.small_weights import write_mobilenet

PARTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "lsa, conv, rope2d": (
        {"kind": "vit", "attention": "lsa", "stem": "conv", "position_embedding": "rope2d"},
        {"masked_patch_weight": 0.5},
    ),
    "l2, hybrid, sn, relative": (
        {
            **{"kind": "vit", "attention": "l2", "stem": "hybrid", "weight_constraint": "sn"},
            **{"position_embedding": "relative", "patch_drop": 0.25},
        },
        {"loss": "wasserstein", "r1_gamma": 0, "gradient_penalty": 1, "drift": 1},
    ),
    "axial, spt, tokens": (
        {"kind": "vit", "attention": "axial", "stem": "spt", "readout": "tokens"},
        {"san": True, "schedule_kimg": 0.03, "final_gamma_factor": 0.1},
    ),
    "isn": (
        {"kind": "vit", "weight_constraint": "isn"},
        {"penalty": "approximate", "penalty_sigma": 0.1, "r2_gamma": 1},
    ),
    "plain": (
        {"kind": "resnet", "form": "plain"},
        {
            **{"loss": "hinge", "lecam": 1, "style_mixing": 0.9},
            **{"path_length": 2, "path_length_interval": 1},
        },
    ),
    "r3gan": (
        {"kind": "resnet", "form": "r3gan", "minibatch_std_group": 0},
        {"loss": "relativistic", "r2_gamma": 1},
    ),
    "chain": ({"kind": "resnet", "normalization": "chain"}, {"chain_start_kimg": 0}),
    "consistency": (
        {"kind": "resnet"},
        {"bcr_real": 1, "bcr_generated": 1, "zcr_discriminator": 1, "zcr_generator": 1},
    ),
    "pseudo": ({"kind": "resnet"}, {"apa_p_max": 0.5, "microbatch": 2, "r1_gamma": 0}),
    "pseudo, masked": (
        {"kind": "vit"},
        {"apa_p_max": 0.5, "microbatch": 2, "masked_patch_weight": 0.5},
    ),
    "bf16": ({"kind": "resnet"}, {"precision": "bf16"}),
}
"""Of the discriminator, and of the section training: what is differentiated twice in all of them, and numbers that
move from step to step."""

COMPILED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain, hinge": ({"kind": "resnet", "form": "plain"}, {"loss": "hinge"}),
    "r3gan, relativistic": (
        {"kind": "resnet", "form": "r3gan", "minibatch_std_group": 0},
        {"loss": "relativistic", "r2_gamma": 1},
    ),
    "residual, wasserstein": (
        {"kind": "resnet", "form": "residual"},
        {"loss": "wasserstein", "r1_gamma": 0, "gradient_penalty": 1, "drift": 1},
    ),
    "linear, dot": ({"kind": "vit", "stem": "linear", "attention": "dot"}, {}),
    "conv, lsa": ({"kind": "vit", "stem": "conv", "attention": "lsa"}, {}),
    "hybrid, l2": ({"kind": "vit", "stem": "hybrid", "attention": "l2"}, {}),
    "spt, axial": ({"kind": "vit", "stem": "spt", "attention": "axial"}, {}),
}
"""With each form, stem, attention and loss that the default networks have not."""

LAZY = {"r1_interval": 2, "path_length": 2, "path_length_interval": 2}
"""In every second step, so there are two kinds of steps."""


@pytest.fixture(autouse=True)
def nothing_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_slices, "_compiled", {})


@pytest.fixture
def as_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graphs as they are: what torch.compile makes of their operations does not depend on the networks."""
    monkeypatch.setattr(torch, "compile", lambda graph, **_: graph)


def trained(
    parts: dict[str, Any],
    training: dict[str, Any],
    *,
    compiled: bool,
    steps: int = 3,
    classes: int = 0,
    features: dict[str, Any] | None = None,
) -> tuple[AdversarialStep, list[Tensor]]:
    """A step that was made a few times, and the gradients and losses of each time."""
    kind = parts.get("kind", "vit")
    small: Layer = {**SMALL, "discriminator": {**TINY_NETWORKS.get(kind, {}), **parts}}
    small |= {"features": features} if features else {}
    load = workload(small, {"training": {**training, "compile": compiled}}, classes=classes)
    step = build_step(load)
    labels = torch.arange(BATCH) % classes if classes else None
    found = []
    for number in range(1, steps + 1):
        step.set_p(0.2 * number)
        if step.pseudo is not None:
            step.pseudo.p = 0.0 if number == 1 else 0.1 + 0.1 * number
        images = number * BATCH
        real = torch.rand(BATCH, 3, 8, 8, generator=torch.Generator().manual_seed(number)) * 2 - 1
        result = step(real, labels, images=images, streams=StepStreams.at(0, images))
        assert result.finite
        found += list(result.losses.values())
        for module in (step.generator, step.judges):
            found += [p.grad.clone() for p in module.parameters() if p.grad is not None]
    return step, found


def check_equal(
    parts: dict[str, Any], training: dict[str, Any], tolerance: float, **how: Any
) -> None:
    step, found = trained(parts, training, compiled=True, **how)
    assert isinstance(step.compute, SlicePrograms)
    _, expected = trained(parts, training, compiled=False, **how)
    for one, other in zip(found, expected, strict=True):
        largest = float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * largest)


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
@pytest.mark.usefixtures("as_traced")
def test_the_graph_of_a_step_is_the_step(name: str) -> None:
    check_equal(*PARTS[name], tolerance=0, classes=3 if name == "plain" else 0)


@pytest.mark.slow
@pytest.mark.usefixtures("as_traced")
def test_a_critic_on_frozen_features_is_part_of_the_graph(tmp_path: Path) -> None:
    network = write_mobilenet(tmp_path / "mobile.pth")
    features = {"network": network, "side": 32, "width": 8, "mixing": "scales"}
    check_equal({"kind": "resnet"}, {}, tolerance=0, steps=2, features=features)


@pytest.mark.slow
@pytest.mark.parametrize("apa", [{}, {"apa_p_max": 0.5, "microbatch": 2}])
@pytest.mark.usefixtures("as_traced")
def test_a_frozen_teacher_is_part_of_the_graph(tmp_path: Path, apa: dict[str, Any]) -> None:
    network = write_published(tmp_path / "vit.pth")
    taught = {"distill_weight": 1.0, "distill_width": 12, "distill_network": network}
    check_equal({"kind": "vit"}, {**taught, **apa}, tolerance=0, steps=2)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["residual", "plain"])
@pytest.mark.usefixtures("as_traced")
def test_filters_of_an_accelerator_are_sums_in_the_graph(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "is_accelerator", lambda _device: True)
    resnet = {"kind": "resnet", "form": form}
    _, found = trained(resnet, LAZY, compiled=True)
    with resampling.sums_of_shifts():
        _, sums = trained(resnet, LAZY, compiled=False)
    _, products = trained(resnet, LAZY, compiled=False)
    assert all(torch.equal(one, other) for one, other in zip(found, sums, strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(found, products, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_the_graph_for_an_accelerator_is_the_step_without_lists(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = []

    def compile_graph(graph: fx.GraphModule, **_: Any) -> fx.GraphModule:
        graphs.append(graph)
        return graph

    monkeypatch.setattr(torch, "compile", compile_graph)
    monkeypatch.setattr(compiled_slices, "is_accelerator", lambda _device: True)
    check_equal({"kind": kind}, {**LAZY, "precision": "bf16"}, tolerance=0)
    operations = {str(node.target) for graph in graphs for node in graph.graph.nodes}
    assert len(graphs) == 2
    assert not [name for name in operations if "_foreach_" in name], "see lists_apart.py"


@pytest.fixture
def written_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile takes the graph apart and puts it together again, and writes no code of it."""
    compile_graph = partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", lambda graph, options, **how: compile_graph(graph, **how))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "training"), [("vit", {}), ("vit", {"precision": "bf16"}), ("resnet", LAZY)]
)
@pytest.mark.usefixtures("written_by_nobody")
def test_torch_compile_takes_the_graph(kind: str, training: dict[str, Any]) -> None:
    check_equal({"kind": kind}, training, tolerance=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("training", [LAZY, {"penalty": "approximate", "r2_gamma": 1}])
def test_a_step_with_joined_products_is_the_step(
    training: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []

    def products_joined(graph: fx.GraphModule, _: Sequence[Tensor]) -> Callable[..., Any]:
        before = products(graph)
        join(graph)
        counts.append((before, products(graph)))
        return make_boxed_func(graph.forward)

    compile_graph = partial(torch.compile, backend=aot_autograd(fw_compiler=products_joined))
    monkeypatch.setattr(torch, "compile", lambda graph, options, **how: compile_graph(graph, **how))
    check_equal({"kind": "vit"}, training, tolerance=1e-5)
    assert counts
    assert all(after < 0.85 * before for before, after in counts), counts


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILED)
@pytest.mark.usefixtures("written_by_nobody")
def test_torch_compile_takes_every_form_stem_attention_and_loss(name: str) -> None:
    check_equal(*COMPILED[name], tolerance=1e-5, steps=1)


@pytest.mark.slow
@pytest.mark.parametrize("normalization", ["batch", "none"])
@pytest.mark.usefixtures("written_by_nobody")
def test_torch_compile_takes_heads_on_frozen_features(normalization: str, tmp_path: Path) -> None:
    network = write_mobilenet(tmp_path / "mobile.pth")
    features = {"network": network, "side": 32, "width": 8, "normalization": normalization}
    (_, found), (_, expected) = (
        trained(
            {"kind": "projected"}, {"r1_gamma": 0}, compiled=compiled, steps=1, features=features
        )
        for compiled in (True, False)
    )
    # Of a bias before statistics of a batch the gradient is rounding alone: little, beside the usual ones.
    usual = statistics.median(float(each.abs().max()) for each in expected)
    for one, other in zip(found, expected, strict=True):
        largest = max(usual, float(other.abs().max()))
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * largest)


def test_every_form_stem_attention_and_loss_is_compiled_somewhere() -> None:
    cases = [*COMPILED.values(), *(({"kind": kind}, {}) for kind in TINY_NETWORKS)]
    configs = [
        workload(
            SMALL | {"discriminator": TINY_NETWORKS[parts["kind"]] | parts}, {"training": terms}
        ).config
        for parts, terms in cases
    ]
    for key, names in (("form", ResNetForm), ("stem", Stem), ("attention", AttentionKind)):
        seen = {getattr(config.discriminator, key, None) for config in configs}
        assert seen >= set(get_args(names)), key
    losses = get_args(TrainingConfig.model_fields["loss"].annotation)
    assert {config.training.loss for config in configs} >= set(losses) - {AUTO}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_compiled_code_has_the_same_gradients(kind: str) -> None:
    (_, found), (_, expected) = (
        trained({"kind": kind}, {}, compiled=compiled, steps=1) for compiled in (True, False)
    )
    # A gradient of one number is a sum of many of either sign, of whose rounding less goes than of them: how much less
    # hangs on the processor.
    usual = statistics.median(float(each.norm()) for each in expected)
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= 1e-5 * max(float(other.norm()), usual)
    both = [torch.cat([tensor.flatten() for tensor in tensors]) for tensors in (found, expected)]
    assert (both[0] - both[1]).norm() < 1e-5 * both[1].norm()
