import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from torchvision.models import mobilenet_v3_small, resnet18

from adavit.config.layers import build_config, read_config_file
from adavit.errors import UserError
from adavit.features.critic import FeatureCritic
from adavit.features.discriminator import ProjectedDiscriminator
from adavit.models import Generator
from adavit.models.fitting import resized_grid
from adavit.runtime.console import SilentConsole
from adavit.training.objectives.feature_critic import FeatureObjective
from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import build_step, first_step, read_start
from adavit.training.start.transfer import transfer
from adavit.training.start.transfer_source import TransferSource, read_source
from adavit.training.start.workload import prepare
from adavit.training.step.adversarial_step import AdversarialStep
from tests.adavit.training.test_options import SMALL, workload
from tests.checkpoints import save_checkpoint, undo_training
from tests.cli.conftest import TINY, Adavit

QUIET = [*TINY, "--metrics", ""]
RESNET = [
    *QUIET[: QUIET.index("--discriminator")],
    *"--discriminator resnet --set discriminator.channel_base=64".split(),
    *"--set discriminator.channel_max=8 --kimg 0.016 --batch 8 --metrics".split(),
    "",
]


def checkpoint(run: str) -> dict:
    state: dict = torch.load(Path(run) / "checkpoint.pt", weights_only=True)
    return state


def step_of(run: str, /, **changes: dict) -> AdversarialStep:
    stored = read_config_file(Path(run) / "config.yaml")
    return build_step(prepare(build_config([stored, changes]), SilentConsole()))


def test_the_same_shape_starts_with_the_same_weights(adavit: Adavit, pictures: Path) -> None:
    adavit("train", "--data", pictures, "--out", "first", *QUIET)
    step, source = step_of("first", run={"seed": 7}), checkpoint("first")
    whole = Path("first/checkpoint.pt").read_bytes()
    notes = transfer(step, read_source(Path("first")))
    pairs = {
        "generator": step.generator,
        "discriminator": step.discriminator,
        "average": step.average.module,
    }
    for name, network in pairs.items():
        torch.testing.assert_close(network.state_dict(), source[name], rtol=0, atol=0)
    assert all("newly initialised" not in note for note in notes)
    newest, before = Path("first/checkpoint.pt"), Path("first/checkpoint-1.pt")
    newest.write_bytes(whole[:-1] + b"?")
    warning, *_ = transfer(step, read_source(Path("first")))
    assert warning.startswith("Warning: checkpoint 'first/checkpoint.pt' is damaged")
    assert warning.endswith("checkpoint-1.pt, written before it, is taken instead.")
    taken = torch.load(before, weights_only=True)["generator"]
    torch.testing.assert_close(step.generator.state_dict(), taken, rtol=0, atol=0)
    newest.write_bytes(whole)

    outcome = adavit(
        "train", "--data", pictures, "--transfer", "first", "--freeze-d", 1, "--out", "second",
        *QUIET,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "Transferred" in outcome.out
    chosen = yaml.safe_load(Path("second/config.yaml").read_text())
    assert chosen["augment"]["speed_kimg"] == 100
    assert chosen["training"]["ema_ramp"] is None
    before, after = source["discriminator"], checkpoint("second")["discriminator"]
    (token,) = (name for name in before if name.endswith("class_token"))
    assert torch.equal(before[token], after[token])
    assert not torch.equal(before["head.dense.weight"], after["head.dense.weight"])
    state = checkpoint("second")
    assert state["progress"]["images"] == 32
    # Neither the moments nor the count of the optimiser: 4 steps of its own.
    assert all(entry["step"] == 4 for entry in state["generator_optimizer"]["state"].values())
    assert [json.loads(x)["images"] for x in Path("second/stats.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("source", ["first", "first/generator.safetensors"])
def test_styles_are_those_of_a_source_with_another_learning_rate_of_its_mapping(
    adavit: Adavit, pictures: Path, source: str
) -> None:
    rate = "generator.mapping_lr_multiplier"
    adavit("train", "--data", pictures, "--out", "first", *QUIET, "--set", f"{rate}=0.1")
    files = list(Path("first").glob("generator*.safetensors"))
    if source.endswith("safetensors"):
        files[0].rename(source)
    step = step_of("first", generator={"mapping_lr_multiplier": 0.01, "noise": "bounded"})
    transfer(step, read_source(Path(source)))
    here = step.average.module
    assert isinstance(here, Generator)
    there = step_of("first").average.module
    assert isinstance(there, Generator)
    there.load_state_dict(checkpoint("first")["average"])
    latents = torch.randn(8, there.latent_dim)
    with torch.no_grad():
        torch.testing.assert_close(here.mapping(latents), there.mapping(latents))
        torch.testing.assert_close(here(latents), there(latents), rtol=1e-4, atol=1e-4)


def test_noise_that_a_bound_forbids_is_named_with_the_reason() -> None:
    source = build_step(workload(SMALL, {"generator": {"noise": "learned"}}))
    name = "synthesis.blocks.1.convolutions.0.noise.strength"
    torch.nn.init.constant_(source.generator.get_parameter(name), 0.4)
    states = {"generator": source.generator.state_dict()}
    given = TransferSource(states, "", (), "", made_with={"generator": {"noise": "learned"}})
    step = build_step(workload(SMALL, {"generator": {"noise": "bounded"}}))
    note = transfer(step, given)[0]
    assert note.endswith(f"; newly initialised: {name} (there beyond the 0.1 of bounded noise)."), (
        note
    )


def test_what_goes_with_weights_that_do_not_fit_is_named_so() -> None:
    san = {"training": {"san": True}, "discriminator": {"position_embedding": "relative"}}
    sizes = (
        {"discriminator": {"width": width}, "generator": {"channel_max": width // 2}}
        for width in (32, 16)
    )
    source, step = (build_step(workload(SMALL, san, each, classes=3)) for each in sizes)
    names = ("generator", "discriminator")
    states = {name: getattr(source, name).state_dict() for name in names}
    of_generator, of_discriminator, _ = transfer(step, TransferSource(states, "", (), ""))
    assert of_generator.endswith(", strength of 2 layers (of weights that do not fit).")
    # Where nothing of a layer fits, its weights are what is told.
    assert of_discriminator.endswith(
        "; newly initialised: encoder (other shapes), head (other shapes)."
    )


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_another_resolution_and_channels_load_what_fits(
    adavit: Adavit, pictures: Path, kind: str
) -> None:
    tiny = QUIET if kind == "vit" else RESNET
    Path("grey").mkdir()
    for index, path in enumerate(sorted(pictures.rglob("*.png"))):
        Image.open(path).convert("L").resize((32, 32)).save(f"grey/{index}.png")
    first = adavit("train", "--data", pictures, "--out", "first", *tiny)
    assert first.code == 0, first.err
    outcome = adavit("train", "--data", "grey", "--out", "second", "--transfer", "first", *tiny)
    assert outcome.code == 0, outcome.err
    notes = [line for line in outcome.out.splitlines() if line.startswith("Transferred")]
    assert [note.split(" tensors of the ")[1].split(";")[0] for note in notes] == [
        "generator",
        "discriminator",
        "average",
    ]
    assert "synthesis.blocks.0.to_image.weight [1, 8] (there [3, 8])" in notes[0]
    assert notes[0].endswith(
        "synthesis.blocks.3 (not there)."
    )  # a layer of which nothing fits, once
    assert "synthesis.blocks.3." not in notes[0]
    assert ("(other shapes)" if kind == "resnet" else "(there [") in notes[1]

    source, step = checkpoint("first"), step_of("second")
    transfer(step, read_source(Path("first")))
    loaded = step.generator.state_dict()
    for name in ("synthesis.blocks.2.convolutions.0.weight", "mapping.layers.1.weight"):
        torch.testing.assert_close(loaded[name], source["generator"][name], rtol=0, atol=0)
    if kind == "resnet":  # 8 -> 4 pixels is block 1 of 2 there and 2 of 3 here
        key = "first.weight"
        torch.testing.assert_close(
            step.discriminator.state_dict()[f"blocks.2.{key}"],
            source["discriminator"][f"blocks.1.{key}"],
            rtol=0,
            atol=0,
        )
    else:
        name = "encoder.blocks.0.mlp.0.weight"
        assert torch.equal(step.discriminator.state_dict()[name], source["discriminator"][name])


@pytest.mark.parametrize(("before", "after"), [(True, True), (False, True), (True, False)])
def test_the_last_layer_of_san_is_the_same_function_as_one_without(
    before: bool, after: bool
) -> None:
    source = build_step(workload(SMALL, {"training": {"san": before}, "run": {"seed": 1}}))
    with torch.no_grad():
        source.discriminator.get_parameter("head.dense.weight").mul_(1 if before else 1.5)
        source.discriminator.get_parameter("head.dense.bias").add_(0.7)
    networks = {
        "generator": source.generator,
        "discriminator": source.discriminator,
        "average": source.average.module,
    }
    states = {name: network.state_dict() for name, network in networks.items()}
    step = build_step(workload(SMALL, {"training": {"san": after}}))
    notes = transfer(step, TransferSource(states, critic_saw="", seen=(), warning=""))
    assert "newly initialised" not in notes[1]
    if before == after:
        found, given = step.discriminator.state_dict(), states["discriminator"]
        torch.testing.assert_close(found, given, rtol=0, atol=0)
    real = torch.rand(4, 3, 8, 8) * 2 - 1
    with torch.no_grad():
        logits = [each.discriminator(real) for each in (step, source)]
    torch.testing.assert_close(*logits, rtol=1e-5, atol=1e-5)
    assert step(real, None, images=0, streams=StepStreams.at(0, 0)).finite
    if after:
        weight = step.discriminator.get_parameter("head.dense.weight")
        radius = step.discriminator.get_buffer("head.dense.radius")
        torch.testing.assert_close(weight.norm(), radius)


def test_a_normalised_network_starts_from_the_weights_of_one_without(
    adavit: Adavit, pictures: Path
) -> None:
    adavit("train", "--data", pictures, "--out", "first", *RESNET)
    step, source = step_of("first", discriminator={"normalization": "chain"}), checkpoint("first")
    note = transfer(step, read_source(Path("first")))[1]
    count = sum(name.endswith(".squares") for name in step.discriminator.state_dict())
    assert count > 3
    lacking = f"squares of {count} layers (not there), chain (not there)."
    assert note.endswith(f"; newly initialised: {lacking}")
    weights = dict(step.discriminator.named_parameters())
    assert weights.keys() == source["discriminator"].keys()
    assert all(torch.equal(weights[name], source["discriminator"][name]) for name in weights)


def test_what_chain_has_measured_begins_anew(adavit: Adavit, pictures: Path) -> None:
    chain = ["--set", "discriminator.normalization=chain"]
    first = adavit("train", "--data", pictures, "--out", "first", *RESNET, *chain)
    assert first.code == 0, first.err
    saved, step = checkpoint("first"), step_of("first", run={"seed": 7})
    source = read_source(Path("first"))
    source.networks["discriminator"]["chain.p"].fill_(0.8)
    assert saved["discriminator"]["chain.updates"] > 0
    before = {name: value.clone() for name, value in step.discriminator.state_dict().items()}
    note = transfer(step, source)[1]
    measured = {name for name in before if name.endswith(".squares") or name.startswith("chain.")}
    assert len(measured) > 4
    for name, value in step.discriminator.state_dict().items():
        expected = before if name in measured else saved["discriminator"]
        assert torch.equal(value, expected[name]), name
    lacking = f"squares of {len(measured) - 2} layers (begins anew), chain (begins anew)."
    assert note.endswith(f"; newly initialised: {lacking}"), note


@pytest.mark.parametrize(
    ("kind", "section", "before", "after"),
    [
        ("vit", "discriminator", {"heads": 2}, {"heads": 4}),
        ("vit", "discriminator", {"attention": "qknorm"}, {"attention": "dot"}),
        ("vit", "discriminator", {"readout": "gap"}, {"readout": "tokens"}),
        ("vit", "discriminator", {"depth": 2}, {"depth": 1}),
        ("resnet", "discriminator", {"form": "residual"}, {"form": "plain"}),
        ("vit", "generator", {"mapping_layers": 3}, {"mapping_layers": 2}),
    ],
)
def test_settings_that_make_another_function_of_the_same_tensors_are_told(
    adavit: Adavit, pictures: Path, kind: str, section: str, before: dict, after: dict
) -> None:
    ((key, there),), ((_, here),) = before.items(), after.items()
    sizes = [*QUIET, "--set", "discriminator.attention=dot"] if kind == "vit" else RESNET
    flags = ["train", "--data", pictures, *sizes]
    first = adavit(*flags, "--out", "first", "--set", f"{section}.{key}={there}")
    assert first.code == 0, first.err
    second = adavit(
        *flags, "--transfer", "first", "--set", f"{section}.{key}={here}", "--out", "second"
    )
    assert second.code == 0, second.err
    (note,) = (line for line in second.out.splitlines() if f" tensors of the {section}" in line)
    counts = re.match(r"Transferred (\d+) of (\d+) tensors", note)
    assert counts is not None
    assert counts[1] == counts[2]
    assert note.endswith(f" tensors of the {section}; {key} is {here!r}, there {there!r}."), note


def test_a_transferred_run_resumes_to_the_same_bits(adavit: Adavit, pictures: Path) -> None:
    adavit("train", "--data", pictures, "--out", "first", *QUIET)
    flags = ["train", "--data", pictures, "--transfer", "first", *QUIET]
    adavit(*flags, "--kimg", "0.048", "--out", "whole")
    adavit(*flags, "--kimg", "0.024", "--out", "half")
    undo_training(Path("half"))  # then it begins from the source again
    again = adavit("train", "--resume", "half")
    assert again.code == 0, again.err
    assert "Transferred" in again.out
    Path("first").rename("gone")  # with a checkpoint the source is not needed
    resumed = adavit("train", "--resume", "half", "--kimg", "0.048")
    assert resumed.code == 0, resumed.err
    assert "Transferred" not in resumed.out
    whole, half = checkpoint("whole"), checkpoint("half")
    for part in ("generator", "discriminator", "average", "generator_optimizer", "probability"):
        torch.testing.assert_close(whole[part], half[part], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nothing", "there is no 'nothing'"),
        ("pictures", "is not a run directory"),
        ("young", "has no checkpoint.pt yet"),
        ("broken", "is damaged or not a checkpoint"),
        ("foreign", "has format None"),
        ("hollow", "holds no discriminator"),
    ],
)
@pytest.mark.parametrize("dry", [False, True])
def test_what_is_no_run_is_code_2_before_anything_is_made(
    adavit: Adavit, pictures: Path, source: str, message: str, dry: bool
) -> None:
    for name in ("young", "broken", "foreign", "hollow"):
        Path(name).mkdir()
        Path(name, "config.yaml").write_text("{}")
    Path("broken/checkpoint.pt").write_bytes(b"PK nonsense")
    foreign, hollow = {"format": None}, {"generator": {}, "discriminator": [1]}
    save_checkpoint(Path("foreign/checkpoint.pt"), foreign)
    save_checkpoint(Path("hollow/checkpoint.pt"), hollow)
    flags = ["--dry-run"] if dry else []
    outcome = adavit("train", "--data", pictures, "--transfer", source, *QUIET, *flags)
    assert outcome.code == 2, outcome.err
    assert message in outcome.err
    assert not Path("runs").exists()


@pytest.fixture
def networks(tmp_path: Path) -> dict[str, str]:
    """Two files of weights for one network, and one for another."""
    kinds = {"own": mobilenet_v3_small, "other weights": mobilenet_v3_small, "other": resnet18}
    named = {}
    for seed, (key, make) in enumerate(kinds.items()):
        torch.manual_seed(seed)
        torch.save(make(weights=None).state_dict(), tmp_path / f"{seed}.pth")
        named[key] = f"torchvision:{make.__name__}:{tmp_path / f'{seed}.pth'}"
    return named


def test_heads_on_the_same_frozen_features_are_taken_over(
    adavit: Adavit, pictures: Path, networks: dict[str, str]
) -> None:
    train = ["train", "--data", pictures, *QUIET]
    flags = ["--features", networks["own"], "--set", "features.side=32"]
    first = adavit(*train, *flags, "--out", "with")
    assert first.code == 0, first.err
    assert adavit(*train, "--out", "without").code == 0
    trained = checkpoint("with")["features"]
    count = len(trained)

    def begin(source: str, **features: object) -> tuple[AdversarialStep, list[str]]:
        stored = read_config_file(Path("with/config.yaml"))
        changes = {"features": {"seen": [], **features}, "run": {"seed": 7}}
        config = build_config([stored, changes, {"training": {"transfer": source}}])
        start = read_start(config)
        return first_step(prepare(start.noted_in(config), SilentConsole()), start)

    step, notes = begin("with")
    assert notes[-1] == f"Transferred {count} of {count} tensors of the heads on frozen features."
    assert step.features is not None
    torch.testing.assert_close(step.features.critic.state_dict(), trained, rtol=0, atol=0)
    _, notes = begin("with", width=8)
    assert "tensors of the heads on frozen features; newly initialised: heads.0" in notes[-1]
    there = "those to start from look through torchvision:mobilenet_v3_small"
    for source, changes, reason in (
        ("with", {"mixing": "channels"}, "those to start from have another features.mixing"),
        ("with", {"network": networks["other weights"]}, f"{there} with other weights"),
        ("with", {"network": networks["other"], "maps": 1}, there),
        ("without", {}, "the run to start from has none"),
    ):
        step, notes = begin(source, **changes)
        assert notes[-1] == f"Newly initialised: the heads on frozen features; {reason}."
        assert step.features is not None
        name = "heads.0.readout.dense.parametrizations.weight.original"
        assert not torch.equal(step.features.critic.state_dict()[name], trained[name])
    _, notes = begin("with", network=None)
    assert not [note for note in notes if "heads" in note]


def test_heads_of_a_projected_discriminator_are_those_of_its_network(
    adavit: Adavit, pictures: Path, networks: dict[str, str]
) -> None:
    small = QUIET[: QUIET.index("--discriminator")] + QUIET[QUIET.index("--kimg") :]
    alike = ("side=32", "normalization=none", "mixing=none", "minibatch_std_group=0")
    flags = ["--features", networks["own"]]
    flags += [word for setting in alike for word in ("--set", f"features.{setting}")]
    flags += ["--set", "training.san=false"]
    kinds = {"projected": small, "beside": QUIET}
    for kind, sizes in kinds.items():
        more = ["--discriminator", "projected"] if kind == "projected" else []
        done = adavit("train", "--data", pictures, *flags, *more, "--out", kind, *sizes)
        assert done.code == 0, done.err
    trained = {
        "projected": {
            name.removeprefix("critic."): value
            for name, value in checkpoint("projected")["discriminator"].items()
        },
        "beside": checkpoint("beside")["features"],
    }
    count = len(trained["beside"])
    assert trained["projected"].keys() == trained["beside"].keys()

    def begin(kind: str, source: str, **features: object) -> tuple[FeatureCritic, list[str]]:
        stored = read_config_file(Path(kind, "config.yaml"))
        changes = {"features": {"seen": [], **features}, "run": {"seed": 7}}
        config = build_config([stored, changes, {"training": {"transfer": source}}])
        start = read_start(config)
        step, notes = first_step(prepare(start.noted_in(config), SilentConsole()), start)
        holder = step.discriminator if kind == "projected" else step.features
        assert isinstance(holder, ProjectedDiscriminator | FeatureObjective)
        return holder.critic, notes

    taken = f"Transferred {count} of {count} tensors of the heads on frozen features."
    for kind, source in (
        ("projected", "projected"),
        ("projected", "beside"),
        ("beside", "projected"),
    ):
        critic, notes = begin(kind, source)
        assert notes[-1] == taken
        torch.testing.assert_close(critic.state_dict(), trained[source], rtol=0, atol=0)
    there = "those to start from look through torchvision:mobilenet_v3_small"
    for changes, reason in (
        ({"network": networks["other weights"]}, f"{there} with other weights"),
        ({"network": networks["other"], "maps": 1}, there),
        ({"mixing": "channels"}, "those to start from have another features.mixing"),
    ):
        critic, notes = begin("projected", "projected", **changes)
        assert notes[-1] == f"Newly initialised: the heads on frozen features; {reason}."
        assert [note for note in notes if "heads" in note] == notes[-1:]
        name = "heads.0.readout.dense.parametrizations.weight.original"
        assert not torch.equal(critic.state_dict()[name], trained["projected"][name])


def test_a_run_of_which_nothing_fits_is_an_error(adavit: Adavit, pictures: Path) -> None:
    adavit("train", "--data", pictures, "--out", "first", *QUIET)
    step = step_of("first")
    networks = {n: {"odd": torch.zeros(3)} for n in ("generator", "discriminator", "average")}
    with pytest.raises(UserError, match="of which nothing fits"):
        transfer(step, TransferSource(networks, critic_saw="", seen=(), warning=""))


def test_learned_positions_are_interpolated(adavit: Adavit, pictures: Path) -> None:
    flags = ["train", "--data", pictures, *QUIET, "--set", "discriminator.patch=2"]
    adavit(*flags, "--out", "first")
    outcome = adavit(*flags, "--out", "second", "--resolution", 8, "--transfer", "first")
    assert outcome.code == 0, outcome.err
    (note,) = (line for line in outcome.out.splitlines() if "of the discriminator" in line)
    assert "newly initialised" not in note
    step, name = step_of("second"), "encoder.position.table"
    transfer(step, read_source(Path("first")))
    table = checkpoint("first")["discriminator"][name][0]  # [1 + 64, D]: 8 x 8 patches
    grid = resized_grid(table[1:].T.unflatten(1, (8, 8))[None], (4, 4))[0].flatten(1).T
    expected = torch.cat([table[:1], grid])[None]
    torch.testing.assert_close(step.discriminator.state_dict()[name], expected, rtol=0, atol=0)


def test_oblong_images_start_from_a_run_on_squares(adavit: Adavit, pictures: Path) -> None:
    flags = ["train", "--data", pictures, *QUIET, "--set", "discriminator.patch=4"]
    flags += ["--set", "discriminator.stem=linear"]
    adavit(*flags, "--out", "first")
    others = ["--resolution", "24x40", "--set", "discriminator.patch=8x2"]
    outcome = adavit(*flags, *others, "--out", "second", "--transfer", "first")
    assert outcome.code == 0, outcome.err
    (note,) = (line for line in outcome.out.splitlines() if "of the discriminator" in line)
    # As many pixels of a patch, but others.
    weight = r"encoder\.stem\.projection\.weight \[(\d+), 48\] \(there \[\1, 3, 4, 4\]\)"
    assert re.search(rf"; newly initialised: {weight}\.$", note), note
    (note,) = (line for line in outcome.out.splitlines() if "of the generator" in line)
    assert "synthesis.constant resized from 4x4 to 3x5" in note
    step = step_of("second")
    transfer(step, read_source(Path("first")))
    constant = checkpoint("first")["generator"]["synthesis.constant"]
    found = step.generator.state_dict()["synthesis.constant"]
    torch.testing.assert_close(found, resized_grid(constant, (3, 5)), rtol=0, atol=0)


def test_what_is_frozen_must_come_from_the_source(adavit: Adavit, pictures: Path) -> None:
    adavit("train", "--data", pictures, "--out", "first", *RESNET)
    flags = ["train", "--data", pictures, "--transfer", "first", *RESNET, "--resolution", 8]
    outcome = adavit(*flags, "--out", "second", "--freeze-d", 1)
    assert outcome.code == 2, outcome.out
    assert "training.freeze_d leaves from_image.weight as it is, but" in outcome.err
    assert not Path("second").exists()
    plan = adavit(*flags, "--dry-run")
    assert plan.code == 0, plan.err
    assert "tensors of the discriminator; newly initialised: from_image" in plan.out


@pytest.mark.parametrize("dry", [False, True])
def test_more_frozen_layers_than_there_are_is_code_2_before_anything_is_made(
    adavit: Adavit, pictures: Path, dry: bool
) -> None:
    flags = ["--dry-run"] if dry else []
    outcome = adavit("train", "--data", pictures, "--freeze-d", 99, "--out", "new", *QUIET, *flags)
    assert outcome.code == 2, outcome.out
    assert "training.freeze_d is 99, but this discriminator has" in outcome.err
    assert not Path("new").exists()


def test_another_source_on_resume_is_an_error(adavit: Adavit, pictures: Path) -> None:
    adavit("train", "--data", pictures, "--out", "first", *QUIET)
    outcome = adavit("train", "--resume", "first", "--transfer", "elsewhere")
    assert outcome.code == 2
    assert "training.transfer" in outcome.err
