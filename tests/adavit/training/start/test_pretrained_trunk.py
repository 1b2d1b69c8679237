from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

import adavit
from adavit.config.run import RunConfig
from adavit.config.section import AUTO
from adavit.errors import UserError
from adavit.features.published_vit import PublishedTeacher
from adavit.metrics.extractors.weight_files import file_digest
from adavit.models.fitting import resize_position_embeddings, resized_grid
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.models.vit.encoder import VisionEncoder
from adavit.runs.trunk_file import StoredTrunk
from adavit.runtime.console import SilentConsole
from adavit.training.start.build import build_step, first_step, read_start
from adavit.training.start.freeze import freeze_lower_layers
from adavit.training.start.pretrained_trunk import absolute_trunk, find_trunk, initialise_trunk
from adavit.training.start.workload import load_workload
from tests.adavit.conftest import ARGUMENTS, Layer
from tests.adavit.training.test_train import assert_same_bits, figures, final_state
from tests.checkpoints import undo_training
from tests.published_vit import published_state, write_published

Make = Callable[..., ViTDiscriminator]


def trunk(discriminator: Make, **changes: Any) -> StoredTrunk:
    return StoredTrunk(
        encoder=discriminator(seed=1, **changes).encoder,
        arguments={**ARGUMENTS, **changes},
        config={},
        data_fingerprint="",
        images=0,
        figures={},
        path=Path("trunk.safetensors"),
    )


def initialise(network: ViTDiscriminator, stored: StoredTrunk, **changes: Any) -> str:
    return initialise_trunk(network, stored, {**ARGUMENTS, **changes})


def test_the_whole_trunk_is_taken_over_and_nothing_else(discriminator: Make) -> None:
    network, stored = discriminator(num_classes=3), trunk(discriminator)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    text = initialise(network, stored)
    for name, tensor in network.state_dict().items():
        if name.startswith("encoder."):
            assert torch.equal(tensor, stored.state()[name.removeprefix("encoder.")]), name
        else:
            assert torch.equal(tensor, before[name]), name
    assert not torch.equal(network.encoder.class_token, before["encoder.class_token"])
    count = len(stored.state())
    assert (
        text == f"Loaded {count} of {count} tensors of the discriminator's trunk from"
        " trunk.safetensors."
    )


def test_what_does_not_fit_is_named(discriminator: Make) -> None:
    network = discriminator(depth=3, patch=8)
    before = network.encoder.blocks[2].mlp[0].weight.clone()
    stored = trunk(discriminator, stem="conv")
    text = initialise(network, stored, depth=3, patch=8)
    assert torch.equal(network.encoder.blocks[2].mlp[0].weight, before)
    assert torch.equal(
        network.encoder.blocks[1].mlp[0].weight, stored.encoder.blocks[1].mlp[0].weight
    )
    drawn, unused, *settings = text.split("; ")[1:]
    assert drawn.startswith("drawn from the seed: stem.projection.weight, blocks.2.")
    assert "more" in drawn
    assert unused.startswith("not used: stem.stages.0.weight")
    assert settings == [
        "patch is 8, there 4",
        "depth is 3, there 2",
        "stem is 'overlap', there 'conv'.",
    ]


@pytest.mark.parametrize(
    ("name", "here", "there"),
    [
        ("heads", 4, 2),
        ("heads", 2, 4),
        ("position_embedding", "none", "sincos2d"),
        ("position_embedding", "rope2d", "sincos2d"),
    ],
)
def test_what_makes_another_function_of_the_same_tensors_is_told(
    discriminator: Make, name: str, here: Any, there: Any
) -> None:
    shared = {"attention": "dot", "stem": "linear"}
    stored = trunk(discriminator, **{**shared, name: there})
    changes = {**shared, name: here}
    text = initialise(discriminator(**changes), stored, **changes)
    count = len(stored.state())
    assert text.startswith(f"Loaded {count} of {count} tensors")
    assert text.endswith(f" trunk.safetensors; {name} is {here!r}, there {there!r}.")


def test_what_leaves_the_trunk_the_same_function_is_not_told(discriminator: Make) -> None:
    changes = {"layer_scale": 0.5, "patch_drop": 0.25, "minibatch_std_group": 2}
    text = initialise(discriminator(**changes), trunk(discriminator), **changes)
    assert text.endswith(" from trunk.safetensors.")


@pytest.mark.parametrize("position", ["learned1d", "learned2d", "relative"])
def test_positions_are_interpolated_to_another_grid(discriminator: Make, position: str) -> None:
    changes: dict[str, Any] = {"position_embedding": position, "readout": "cls+gap"}
    stored = trunk(discriminator, **changes)
    network = discriminator(resolution=32, **changes)
    given = {name: tensor.clone() for name, tensor in stored.state().items()}
    expected = resize_position_embeddings(given, network.encoder, grid=(4, 4))
    count = len(given)
    text = initialise(network, stored, resolution=32, **changes)
    assert text.startswith(f"Loaded {count} of {count} tensors")
    for name, tensor in network.encoder.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    for name, tensor in stored.state().items():
        assert torch.equal(tensor, given[name]), name


@pytest.mark.parametrize("position", ["learned1d", "learned2d", "relative"])
@pytest.mark.parametrize(
    ("there", "here"),
    [
        # As many entries with the class token as without it: 3x5 and 1, 4x4.
        ({"resolution": "12x20", "readout": "cls"}, {"resolution": 16, "readout": "gap"}),
        ({"resolution": 16, "readout": "gap"}, {"resolution": "12x20", "readout": "cls"}),
        ({"resolution": 16, "readout": "cls+gap"}, {"resolution": 16, "readout": "tokens"}),
        ({"resolution": 16, "readout": "gap"}, {"resolution": 32, "readout": "cls"}),
    ],
)
def test_patches_keep_their_places_with_a_class_token_and_without(
    discriminator: Make, position: str, there: dict[str, Any], here: dict[str, Any]
) -> None:
    shared = {"position_embedding": position, "patch": 4}
    network, stored = discriminator(**shared, **here), trunk(discriminator, **shared, **there)
    before = {name: tensor.clone() for name, tensor in network.encoder.state_dict().items()}
    text = initialise(network, stored, **shared, **here)
    assert "position" not in text.partition("from the seed")[2].partition(";")[0]
    if position != "learned1d":
        wanted = resize_position_embeddings(
            {name: value for name, value in stored.state().items() if "position" in name},
            network.encoder,
            grid=(stored.encoder.layout.rows, stored.encoder.layout.columns),
        )
        found = network.encoder.state_dict()
        assert len(wanted) == sum("position" in name for name in found) > 0
        for name, tensor in wanted.items():
            assert torch.equal(found[name], tensor)
            assert not torch.equal(tensor, before[name])
        return
    layout, own = stored.encoder.layout, network.encoder.layout
    grid = stored.encoder.position.table[:, layout.class_tokens :].unflatten(
        1, (layout.rows, layout.columns)
    )
    expected = resized_grid(grid.permute(0, 3, 1, 2), (own.rows, own.columns))
    table = network.encoder.position.table
    patches = table[:, own.class_tokens :].unflatten(1, (own.rows, own.columns))
    assert torch.equal(patches.permute(0, 3, 1, 2), expected)
    drawn = before["position.table"][:, : own.class_tokens]
    assert torch.equal(table[:, : own.class_tokens], drawn)


def test_other_sizes_are_refused_with_the_settings_that_differ(discriminator: Make) -> None:
    network, stored = discriminator(width=24, patch=8), trunk(discriminator)
    with pytest.raises(UserError, match=r"patch is 8, there 4; width is 24, there 16"):
        initialise(network, stored, width=24, patch=8)


@pytest.mark.parametrize("constraint", ["none", "sn", "isn"])
@pytest.mark.parametrize("position", ["learned1d", "learned2d", "relative"])
@pytest.mark.parametrize("attention", ["qknorm", "lsa"])
def test_a_trunk_of_which_no_weight_fits_is_refused(
    discriminator: Make, constraint: str, position: str, attention: str
) -> None:
    shared = {
        **{"weight_constraint": constraint, "position_embedding": position},
        **{"attention": attention, "width": 16, "heads": 2},
    }
    network, stored = discriminator(**shared), trunk(discriminator, **{**shared, "width": 64})
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(UserError, match=r"^nothing of the trunk .* \(width is 16, there 64\), exp"):
        initialise(network, stored, **shared)
    torch.testing.assert_close(dict(network.state_dict()), before, rtol=0, atol=0)


@pytest.mark.parametrize("patch", ["2x8", "8x2", 4])
def test_a_trunk_of_oblong_patches_is_for_such(discriminator: Make, patch: object) -> None:
    changes: dict[str, Any] = {"resolution": 16, "stem": "linear"}
    network, stored = (
        discriminator(patch=patch, **changes),
        trunk(discriminator, patch="2x8", **changes),
    )
    text = initialise(network, stored, patch=patch, **changes)
    weight = network.encoder.stem.projection.weight
    same = torch.equal(weight, stored.encoder.stem.projection.weight)
    assert same is (patch == "2x8")
    if same:
        assert "drawn from the seed" not in text
        return
    assert "; drawn from the seed: stem.projection.weight; " in text  # as many pixels, but others
    shown = repr(patch)
    assert text.endswith(f"; patch is {shown}, there '2x8'.")
    table = resize_position_embeddings(
        {"position.table": stored.state()["position.table"]},
        nn.ModuleDict({"position": network.encoder.position}),
        grid=(8, 2),
    )["position.table"]
    assert torch.equal(network.encoder.position.table, table)


SMALL: Layer = {"discriminator": {"patch": 8, "depth": 1, "width": AUTO, "heads": AUTO}}
QUIET: Layer = {"metrics": {"names": []}, "run": {"status_every_kimg": 0.008}}


def published(tmp_path: Path, **training: Any) -> Layer:
    named = write_published(tmp_path / "vit.pth")
    return {"training": {"init_discriminator": named, **training}}


def test_published_weights_are_the_trunk_of_a_run_at_image_0(
    tiny: Callable[..., RunConfig], tmp_path: Path
) -> None:
    config = tiny(SMALL, published(tmp_path, freeze_d=2, total_kimg=0.016), QUIET)
    workload = load_workload(config, SilentConsole())
    start = read_start(config)
    step, (note,) = first_step(workload, start)
    encoder = step.discriminator.get_submodule("encoder")
    state = published_state()
    count = len(encoder.state_dict())
    assert note.startswith(f"Loaded {count} of {count} tensors of the discriminator's trunk from")
    assert str(tmp_path / "vit.pth") in note
    assert "not used: blocks.1." in note
    assert note.endswith("; depth is 1, there 12.")
    trunk = find_trunk(str(config.training.init_discriminator), ())
    network = PublishedTeacher(trunk, resolution=16, image_channels=3, patch=8)  # type: ignore[arg-type]
    network.encoder.blocks = network.encoder.blocks[:1]
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    assert isinstance(encoder, VisionEncoder)
    with torch.no_grad():
        tokens = encoder.norm(encoder(images, twice_differentiable=False))
    torch.testing.assert_close(tokens, network(images), rtol=0, atol=1e-5)
    assert torch.equal(encoder.norm.bias, state["encoder.ln.bias"])
    drawn = build_step(workload)
    assert torch.equal(step.discriminator.head.dense.weight, drawn.discriminator.head.dense.weight)
    for name, weight in step.generator.state_dict().items():
        assert torch.equal(weight, drawn.generator.state_dict()[name]), name


def test_the_first_layers_of_published_weights_stay_and_the_rest_is_trained(
    tiny: Callable[..., RunConfig], tmp_path: Path
) -> None:
    layer = published(tmp_path, freeze_d=1, total_kimg=0.008)
    config = tiny(SMALL, layer, QUIET)
    start = read_start(config)
    step, _ = first_step(load_workload(config, SilentConsole()), start)
    before = {name: tensor.clone() for name, tensor in step.discriminator.state_dict().items()}
    run = adavit.train(config)
    after = final_state(run)["discriminator"]
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    stem = {
        *("encoder.class_token", "encoder.position.table"),
        *("encoder.stem.projection.weight", "encoder.stem.projection.bias"),
    }
    assert not moved & stem
    assert "encoder.blocks.0.attention.query_key_value.weight" in moved
    stored = yaml.safe_load((run / "config.yaml").read_text())
    seen = f"torchvision:vit_b_16 {file_digest(tmp_path / 'vit.pth')}"
    assert stored["features"]["seen"] == [seen]
    assert adavit.load_generator(run).discriminator_saw == (seen,)
    # Of its checkpoint the file is no part; where there is none yet, it must be the same.
    (tmp_path / "vit.pth").unlink()
    adavit.resume(run, kimg=0.016)
    undo_training(run)
    write_published(tmp_path / "vit.pth", seed=2)
    with pytest.raises(UserError, match=r"init_discriminator .* has other weights than the run"):
        adavit.resume(run)


def test_half_then_resume_equals_one_go_bit_for_bit(
    tiny: Callable[..., RunConfig], tmp_path: Path
) -> None:
    layer = published(tmp_path, freeze_d=1, total_kimg=0.016)
    whole = adavit.train(tiny(SMALL, layer, QUIET, {"run": {"out": str(tmp_path / "whole")}}))
    short: Layer = {"run": {"out": str(tmp_path / "half")}, "training": {"total_kimg": 0.008}}
    half = adavit.train(tiny(SMALL, layer, QUIET, short))
    adavit.resume(half, kimg=0.016)
    assert_same_bits(final_state(whole), final_state(half))
    assert figures(whole / "stats.jsonl") == figures(half / "stats.jsonl")


def test_what_a_frozen_layer_lacks_is_refused(discriminator: Make) -> None:
    stored = trunk(discriminator, stem="conv")
    network = discriminator()
    freeze_lower_layers(network, 1)
    with pytest.raises(
        UserError, match=r"freeze_d leaves encoder\.stem.* but the trunk in trunk\.s"
    ):
        initialise(network, stored)
    whole = discriminator()
    freeze_lower_layers(whole, 2)
    initialise(whole, trunk(discriminator))


def test_names_stay_true_in_other_folders(tmp_path: Path) -> None:
    assert absolute_trunk("torchvision:vit_b_16") == "torchvision:vit_b_16"
    for named in ("torchvision:vit_b_16:{}", "{}"):
        assert absolute_trunk(named.format("a.pth")) == named.format(tmp_path / "a.pth")
