"""What is chosen for what was left open, and that the words which say so are true.

`WORDS` repeats what the description of each field says after "auto:", with cases in which it must be so. A rule that
changes without its words, or words without the rule, fails here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from adavit.augment.settings import MAGNITUDES, OPERATIONS
from adavit.config.auto import RunFacts, resolve, why_no_quarter_turns
from adavit.config.layers import build_config, flatten
from adavit.config.pretraining import PretrainingConfig, resolve_pretraining
from adavit.config.run import ResolvedConfig
from adavit.config.section import ConfigModel, writable
from adavit.runtime.resolution import Resolution
from tests.adavit.config.test_run import sections


@dataclass(frozen=True)
class Case:
    """Facts and settings under which a field is chosen."""

    value: Any
    device: str = "cuda"
    resolution: int = 64
    images: int = 10_000
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    bf16: bool | None = None

    def chosen(self, key: str) -> Any:
        facts = RunFacts(Resolution.of(self.resolution), self.images, self.device, self.bf16)
        return flatten(resolve(build_config([self.settings]), facts).as_dict())[key]


def cpu(value: Any, **case: Any) -> Case:
    return Case(value, device="cpu", **case)


def vit(**keys: Any) -> dict[str, dict[str, Any]]:
    return {"discriminator": {"kind": "vit", **keys}}


def training(**keys: Any) -> dict[str, dict[str, Any]]:
    return {"training": keys}


def seeing(network: str) -> dict[str, dict[str, Any]]:
    return {"features": {"network": network}}


DINO = "timm:vit_small_patch14_dinov2.lvd142m"
CLIP = "timm:vit_base_patch32_clip_224.openai"


def published(**keys: Any) -> dict[str, dict[str, Any]]:
    return {**vit(**keys), "training": {"init_discriminator": "torchvision:vit_b_16"}}


OWN_TRUNK = {**vit(), "training": {"init_discriminator": "trunk.safetensors"}}
R3GAN = {"discriminator": {"form": "r3gan"}}
WIDTHS = [Case(512), cpu(128)]
CHANNEL_BASE = (
    "16384, from 512 px on 32768; on a CPU 16 times the 4 * 2^k that doubles as often as the sides (2048 at 128 and 192"
    " px).",
    [
        *(Case(16384), Case(32768, resolution=512), cpu(1024), cpu(512, resolution=32)),
        *(cpu(2048, resolution=128), cpu(2048, resolution=192)),
    ],
)
PROJECTED = {**seeing("torchvision:squeezenet1_0"), "discriminator": {"kind": "projected"}}
CADENCE = (
    "as metrics.every_kimg.",
    [Case(200.0), cpu(20.0), Case(7.0, settings={"metrics": {"every_kimg": 7}})],
)

GROUPS = [
    Case(4),
    Case(4, settings=training(batch=32, microbatch=8)),
    Case(3, settings=training(batch=24, microbatch=6)),
    Case(2, settings=training(batch=10)),
    Case(1, settings=training(batch=7)),
]
WORDS: dict[str, tuple[str, list[Case]]] = {
    "augment.heuristic": (
        "rt; relative for the losses relativistic and wasserstein, whose logits have no threshold.",
        [
            Case("rt"),
            Case("rt", settings=training(loss="hinge")),
            Case("relative", settings=training(loss="relativistic")),
            Case("relative", settings=training(loss="wasserstein")),
        ],
    ),
    "augment.target": (
        "0.6 for rt and relative, 0.5 for rv.",
        [
            Case(target, settings={"augment": {"heuristic": heuristic}})
            for heuristic, target in (("rt", 0.6), ("relative", 0.6), ("rv", 0.5))
        ],
    ),
    "augment.initial_p": (
        "0, for vit with ada 0.2.",
        [
            Case(0.0),
            Case(0.2, settings=vit()),
            Case(0.0, settings={**vit(), "augment": {"mode": "fixed", "p": 0.4}}),
        ],
    ),
    "augment.speed_kimg": (
        "500, up to 5,000 images 200; 100 with transfer.",
        [
            Case(500.0),
            Case(500.0, images=5001),
            Case(200.0, images=5000),
            Case(100.0, settings=training(transfer="run")),
        ],
    ),
    "generator.latent_dim": ("512, on a CPU 128.", WIDTHS),
    "generator.style_dim": ("512, on a CPU 128.", WIDTHS),
    "generator.mapping_lr_multiplier": ("0.01, on a CPU 0.1.", [Case(0.01), cpu(0.1)]),
    "generator.channel_base": CHANNEL_BASE,
    "generator.channel_max": ("512, on a CPU 64.", [Case(512), cpu(64)]),
    "resnet.channel_base": CHANNEL_BASE,
    "resnet.channel_max": ("512, on a CPU 64.", [Case(512), cpu(64)]),
    "resnet.minibatch_std_group": (
        "4, or the most below that divides the microbatch; for r3gan 0.",
        [*GROUPS, cpu(4), Case(0, settings=R3GAN), cpu(0, settings=R3GAN)],
    ),
    "vit.patch": (
        "an eighth of the 4 * 2^k that doubles as often as the sides (16 px at 128 and 192 px), from 128 px on an"
        " accelerator half.",
        [
            Case(8, settings=vit()),
            *(Case(8, resolution=side, settings=vit()) for side in (128, 192)),
            *(cpu(16, resolution=side, settings=vit()) for side in (128, 192)),
        ],
    ),
    "vit.width": (
        "384, on a CPU 192; from torchvision's weights 768.",
        [
            Case(384, settings=vit()),
            cpu(192, settings=vit()),
            cpu(192, settings=OWN_TRUNK),
            Case(768, settings=published()),
            cpu(768, settings=published(depth=2)),
        ],
    ),
    "vit.depth": (
        "6, on a CPU 3; from torchvision's weights 12, of which fewer are the lowest.",
        [
            Case(6, settings=vit()),
            cpu(3, settings=vit()),
            cpu(12, settings=published()),
            cpu(2, settings=published(depth=2)),
        ],
    ),
    "vit.stem": (
        "overlap, from torchvision's weights linear.",
        [
            Case("overlap", settings=vit()),
            cpu("overlap", settings=OWN_TRUNK),
            cpu("linear", settings=published()),
            cpu("conv", settings=vit(stem="conv")),
        ],
    ),
    "vit.attention": (
        "qknorm, from torchvision's weights dot.",
        [
            Case("qknorm", settings=vit()),
            cpu("qknorm", settings=OWN_TRUNK),
            cpu("dot", settings=published()),
        ],
    ),
    "vit.heads": (
        "width / 64, on a CPU width / 32; from torchvision's weights 12.",
        [
            Case(12, settings=published()),
            cpu(12, settings=published()),
            Case(6, settings=vit()),
            cpu(6, settings=vit()),
            Case(4, settings=vit(width=256)),
            cpu(2, settings=vit(width=64)),
        ],
    ),
    "vit.mlp_ratio": (
        "4, on a CPU 2; from torchvision's weights 4.",
        [
            Case(4.0, settings=vit()),
            cpu(2.0, settings=vit()),
            cpu(4.0, settings=published()),
        ],
    ),
    "vit.minibatch_std_group": (
        "0, on a CPU 4, or the most below that divides the microbatch.",
        [
            *(Case(0, settings=vit()), cpu(4, settings=vit())),
            cpu(2, settings={**vit(), **training(microbatch=2)}),
        ],
    ),
    "training.chain_start_kimg": (
        "5000 steps, at most a tenth of total_kimg.",
        [
            Case(320.0),
            cpu(8.0),
            Case(40.0, settings=training(batch=8)),
            Case(2.0, settings=training(total_kimg=20)),
        ],
    ),
    "training.chain_speed_kimg": (
        "1000 steps.",
        [Case(64.0), cpu(16.0), Case(8.0, settings=training(batch=8))],
    ),
    "training.total_kimg": (
        "5000, on a CPU 80, for vit 50.",
        [Case(5000.0), cpu(80.0), cpu(50.0, settings=vit()), Case(5000.0, settings=vit())],
    ),
    "training.batch": (
        "64 (32 from 128 px on), on a CPU 16.",
        [Case(64), Case(32, resolution=128), cpu(16), cpu(16, resolution=128)],
    ),
    "training.compile": (
        "on for runs of more than about an hour on a CPU that gain by it: with run.budget both are measured, and steps"
        " must be 1.15 times as fast; without it a vit gains, and in bf16 a resnet, but those in slices are left as"
        " they are. Off elsewhere, and in cells of an ablation.",
        [Case(False), cpu(False)],  # tests/adavit/training/test_compiled_trial.py
    ),
    "training.fast_reduce": (
        "on CUDA, unless deterministic.",
        [Case(True), cpu(False), Case(False, settings=training(deterministic=True))],
    ),
    "training.precision": (
        "bf16 on CUDA, where the device does not only emulate it, and on Linux on CPUs with AMX or AVX-512 BF16;"
        " float32 elsewhere.",
        [
            Case("bf16"),
            Case("bf16", bf16=True),
            Case("bf16", resolution=32),
            Case("bf16", bf16=False, settings=training(precision="bf16")),
            Case("float32", bf16=False),
            cpu("float32"),
            cpu("float32", bf16=False),
            cpu("bf16", bf16=True),
            cpu("bf16", bf16=True, resolution=16),
            cpu("float32", bf16=True, settings=training(precision="float32")),
        ],
    ),
    "training.generator_lr": (
        "0.0025; on a CPU 0.01, for vit 0.006.",
        [Case(0.0025), Case(0.0025, settings=vit()), cpu(0.01), cpu(0.006, settings=vit())],
    ),
    "training.discriminator_lr": (
        "0.0025, for vit 0.0002 * 384 / width, for r3gan 0.0002; on a CPU 0.005, for vit 0.0015,"
        " for r3gan 0.002. From torchvision's weights 0.0001, so that they are not forgotten.",
        [
            Case(0.0001, settings=published()),
            cpu(0.0001, settings=published(depth=2)),
            cpu(0.0015, settings=OWN_TRUNK),
            Case(0.0025),
            Case(0.0002, settings=vit()),
            Case(0.0004, settings=vit(width=192)),
            Case(0.0002, settings=R3GAN),
            cpu(0.005),
            cpu(0.0015, settings=vit()),
            cpu(0.002, settings=R3GAN),
        ],
    ),
    "training.warmup_kimg": (
        "0, for vit 2, at most a tenth of total_kimg.",
        [
            Case(0.0),
            Case(2.0, settings=vit()),
            cpu(2.0, settings=vit()),
            Case(0.1, settings=vit() | training(total_kimg=1)),
            Case(0.0, settings=training(total_kimg=1)),
        ],
    ),
    "training.schedule_kimg": (
        "total_kimg.",
        [Case(5000.0), Case(9.0, settings=training(total_kimg=9))],
    ),
    "training.penalty_sigma": (
        "0.01 in float32; 0.1 in bf16 and on CUDA, which round.",
        [
            cpu(0.01),
            cpu(0.1, settings=training(precision="bf16")),
            cpu(0.1, bf16=True),
            cpu(0.01, bf16=True, settings=training(precision="float32")),
            Case(0.1),
            Case(0.1, settings=training(precision="float32")),
        ],
    ),
    "training.r1_gamma": (
        "0.0002 * resolution^2 / batch, for vit 0.05 * (resolution / 32)^2; on a CPU"
        " 1 * (resolution / 32)^2, for vit half of that; 0 with gradient_penalty and for projected.",
        [
            Case(0.0002 * 64**2 / 64),
            Case(0.0002 * 64**2 / 8, settings=training(batch=8)),
            Case(0.2, settings=vit()),
            cpu(4.0),
            cpu(2.0, settings=vit()),
            Case(0.0, settings=training(gradient_penalty=10)),
            Case(0.0, settings=PROJECTED),
        ],
    ),
    "training.r1_interval": (
        "16; for vit 1, on a CPU 4.",
        [Case(16), cpu(16), Case(1, settings=vit()), cpu(4, settings=vit())],
    ),
    "training.r2_gamma": (
        "0; as r1_gamma for the loss relativistic, whose convergence needs both (arXiv:2501.05441,"
        " section 2).",
        [
            Case(0.0),
            cpu(4.0, settings=training(loss="relativistic")),
            cpu(0.3, settings=training(loss="relativistic", r1_gamma=0.3)),
        ],
    ),
    "training.r2_interval": (
        "r1_interval.",
        [Case(16), Case(1, settings=vit()), Case(5, settings=training(r1_interval=5))],
    ),
    "training.ema_half_life_kimg": (
        "10 * batch / 32.",
        [Case(20.0), Case(10.0, resolution=128), cpu(2.5, settings=training(batch=8))],
    ),
    "training.ema_ramp": (
        "0.05, none with transfer.",
        [Case(0.05), Case(None, settings=training(transfer="run"))],
    ),
    "features.side": (
        "64, from 128 px on 128, from 256 px on 224; for a transformer the next multiple of its patches, four or more a"
        " side.",
        [
            *(Case(64), Case(64, resolution=32), Case(128, resolution=128)),
            *(Case(128, resolution=192), Case(224, resolution=256)),
            *(Case(224, resolution=512), Case(64, settings=seeing("torchvision:vit_b_16"))),
            *(Case(70, settings=seeing(DINO)), Case(224, resolution=256, settings=seeing(DINO))),
            Case(140, resolution=128, settings=seeing(DINO)),
            *(Case(128, settings=seeing(CLIP)), Case(224, resolution=256, settings=seeing(CLIP))),
        ],
    ),
    "features.mixing": (
        "none, for projected channels.",
        [Case("none"), Case("channels", settings=PROJECTED), Case("none", settings=seeing(DINO))],
    ),
    "features.normalization": (
        "none, for projected batch.",
        [Case("none"), Case("batch", settings=PROJECTED)],
    ),
    "training.loss": (
        "non_saturating, for projected hinge.",
        [Case("non_saturating"), Case("hinge", settings=PROJECTED)],
    ),
    "training.san": (
        "off, for projected on where the loss goes with it.",
        [
            Case(False),
            Case(True, settings=PROJECTED),
            Case(False, settings={**PROJECTED, "training": {"loss": "relativistic"}}),
        ],
    ),
    "features.minibatch_std_group": (
        "4, or the most below that divides the microbatch; 0 for projected.",
        [*GROUPS, cpu(4), Case(0, settings=PROJECTED)],
    ),
    "generator.mapping_layers": (
        "2, or as many as in a network that training.transfer names as a file.",
        [Case(2), cpu(2)],
    ),
    "resnet.form": (
        "residual, or that of a network that training.transfer names as a file.",
        [Case("residual"), cpu("residual")],
    ),
    "metrics.fakes": ("5000, on a CPU 2000.", [Case(5000), cpu(2000)]),
    "metrics.every_kimg": ("200, on a CPU 20.", [Case(200.0), cpu(20.0)]),
    "run.status_every_kimg": ("4, on a CPU 1.", [Case(4.0), cpu(1.0)]),
    "run.samples_every_kimg": CADENCE,
    "run.checkpoint_every_kimg": CADENCE,
}

ELSEWHERE = {
    *(f"augment.{name}" for name in (*OPERATIONS, *MAGNITUDES)),  # in test_augment.py
    "data.resolution",  # chosen while the images are read, in tests/adavit/data/test_default_resolution.py
}

PRETRAINING: dict[str, tuple[str, Callable[[float, float], float | str]]] = {
    "total_kimg": ("200, on a CPU 50.", lambda cpu, total: 50 if cpu else 200),
    "precision": ("as for training.precision.", lambda cpu, total: "float32" if cpu else "bf16"),
    "learning_rate": (
        "0.0002 (ViT paper, B.1.2), on a CPU 0.005 (benchmarks/results/pretraining_cpu.md).",
        lambda cpu, total: 0.005 if cpu else 0.0002,
    ),
    "warmup_kimg": (
        "a hundredth of total_kimg, as in the ViT paper, B.1.2.",
        lambda cpu, total: total / 100,
    ),
    "measure_every_kimg": ("a tenth of total_kimg.", lambda cpu, total: total / 10),
}


def words(model: type[ConfigModel], name: str) -> str:
    """What a description says of the choice, on one line."""
    text = " ".join((model.model_fields[name].description or "").split())
    return text.partition("auto: ")[2]


def fields_left_open() -> dict[str, tuple[str, str]]:
    """By key of `WORDS`: the dotted key of the configuration, and the words."""
    found = {}
    for section, model in sections(ResolvedConfig):
        kind = model.model_fields["kind"].default if section == "discriminator" else section
        for name in model.fields_that_may_be_open():
            found[f"{kind}.{name}"] = (f"{section}.{name}", words(model, name))
    return found


OPEN = fields_left_open()


def test_every_field_that_may_be_left_open_is_looked_at() -> None:
    assert OPEN.keys() == WORDS.keys() | ELSEWHERE


@pytest.mark.parametrize("key", WORDS)
def test_the_words_are_true(key: str) -> None:
    dotted, description = OPEN[key]
    said, cases = WORDS[key]
    assert description == said
    assert len(cases) >= 2
    for case in cases:
        assert case.chosen(dotted) == pytest.approx(case.value), case


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("given", [{}, {"total_kimg": 30.0}], ids=["open", "given"])
def test_the_words_of_a_pre_training_are_true(device: str, given: dict[str, float]) -> None:
    section = writable(PretrainingConfig).model_validate(given)
    chosen = resolve_pretraining(section, device=device)
    assert set(PretrainingConfig.fields_that_may_be_open()) == PRETRAINING.keys()
    for name, (said, value) in PRETRAINING.items():
        assert words(PretrainingConfig, name) == said
        expected = given.get(name, value(device == "cpu", chosen.total_kimg))
        assert getattr(chosen, name) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("settings", "processes", "microbatch"),
    [
        ({}, 1, None),
        ({}, 4, 4),  # of the 16 on a CPU
        ({"batch": 24}, 4, 6),
        ({"batch": 24, "microbatch": 2}, 4, 2),
        ({"batch": 24}, 5, None),  # which is refused where slices are made
    ],
)
def test_each_process_has_its_share_of_a_batch(
    settings: dict[str, Any], processes: int, microbatch: int | None
) -> None:
    facts = RunFacts(Resolution.of(32), 1000, "cpu", processes=processes)
    chosen = resolve(build_config([{"training": settings}]), facts).training.microbatch
    assert chosen == microbatch


@pytest.mark.parametrize("shape", ["24x40", "48x32"])
def test_images_that_are_no_squares_are_not_turned_by_quarters_unless_asked(shape: str) -> None:
    facts = RunFacts(Resolution.of(shape), 100, "cpu")
    turned = {"augment": {"rotate90": 1}}
    for layers, strength, told in (
        ([], 0, True),
        ([{"augment": {"preset": "color"}}], 0, False),
        ([{"augment": {"mode": "none"}}], 0, False),
        ([turned], 1, False),
    ):
        config = build_config(layers)
        assert resolve(config, facts).augment.rotate90 == strength
        assert ("--set augment.rotate90=1" in why_no_quarter_turns(config, facts)) is told
    square = replace(facts, resolution=Resolution.of(32))
    assert resolve(build_config([]), square).augment.rotate90 == 1
    assert why_no_quarter_turns(build_config([]), square) == ""
