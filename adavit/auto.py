"""Settings chosen from the resolution, the number of images and the device.

The figures are those of the published systems (StyleGAN2-ADA's `auto` on an accelerator) and, on a CPU, of our own
trials; nothing here reads data or touches a device.
"""

from dataclasses import dataclass
from typing import Any

from adavit.config import AUTO, MAGNITUDES, OPERATIONS, RunConfig
from augment.presets import DIFFAUG, preset_multipliers


@dataclass(frozen=True)
class Facts:
    """What the choice rests on.

    Attributes:
        resolution: Side of the training images in pixels.
        training_images: How many images are trained on, without flips.
        device: "cpu", "cuda" or "mps".
    """

    resolution: int
    training_images: int
    device: str


def resolve(config: RunConfig, facts: Facts) -> RunConfig:
    """Replaces every `AUTO` by a value, and validates the whole again.

    Args:
        config: As merged from presets, files and flags.
        facts: Of the data and the device.

    Returns:
        A configuration without `AUTO`.

    Raises:
        pydantic.ValidationError: If chosen and given values do not go together.
    """
    # Later sections lean on earlier ones (the learning rate on the width), so they are filled in order.
    filled = config.as_dict()
    for section in ("data", "augment", "generator", "discriminator", "training", "metrics", "run"):
        chosen = _RULES[section](filled, facts)
        given = {key: value for key, value in filled[section].items() if value != AUTO}
        filled[section] |= chosen | given
    return RunConfig.model_validate(filled)


def _data(config: dict[str, Any], facts: Facts) -> dict[str, Any]:
    return {"resolution": facts.resolution}


def _augment(config: dict[str, Any], facts: Facts) -> dict[str, Any]:
    vit, preset = config["discriminator"]["kind"] == "vit", config["augment"]["preset"]
    return {
        "target": {"rt": 0.6, "rv": 0.5}[config["augment"]["heuristic"]],
        # A ViT overfits sooner than a convolutional network and is never without augmentation.
        "initial_p": min(0.2, config["augment"]["p_max"]) if vit else 0.0,
        "speed_kimg": 200.0 if facts.training_images <= 5000 else 500.0,
        **dict.fromkeys(OPERATIONS, 0.0),
        **({} if preset == DIFFAUG else preset_multipliers(preset)),
        **MAGNITUDES,
    }


def _generator(config: dict[str, Any], facts: Facts) -> dict[str, Any]:
    dim = 128 if facts.device == "cpu" else 512
    rate = 0.1 if facts.device == "cpu" else 0.01
    return {
        "latent_dim": dim,
        "style_dim": dim,
        "mapping_lr_multiplier": rate,
        **_channels(facts),
    }


def _discriminator(config: dict[str, Any], facts: Facts) -> dict[str, Any]:
    if config["discriminator"]["kind"] == "resnet":
        # R3GAN has none; its relativistic loss sees variety.
        group = 0 if config["discriminator"]["form"] == "r3gan" else 4
        return {**_channels(facts), "minibatch_std_group": group}
    on_cpu = facts.device == "cpu"
    side = 8 if on_cpu or facts.resolution < 128 else 16
    width = 96 if on_cpu else 384
    given = config["discriminator"]["width"]
    width_used = width if given == AUTO else given
    per_head = 32 if on_cpu else 64
    heads = max(1, width_used // per_head)
    while width_used % heads:
        heads -= 1
    return {
        "patch": max(1, facts.resolution // side),
        "width": width,
        "depth": 2 if on_cpu else 6,
        "heads": heads,
        "mlp_ratio": 2.0 if on_cpu else 4.0,
        "minibatch_std_group": 4 if on_cpu else 0,
    }


def _channels(facts: Facts) -> dict[str, Any]:
    if facts.device == "cpu":
        return {"channel_base": 16 * facts.resolution, "channel_max": 64}
    return {"channel_base": 16384 if facts.resolution < 512 else 32768, "channel_max": 512}


def _training(config: dict[str, Any], facts: Facts) -> dict[str, Any]:
    vit = config["discriminator"]["kind"] == "vit"
    # Like those of a ViT, these weights are not equalised; the paper's rate (arXiv:2501.05441).
    r3gan = config["discriminator"].get("form") == "r3gan"
    relative_area = (facts.resolution / 32) ** 2
    given = config["training"]["batch"]
    usual = 16 if facts.device == "cpu" else 32 if facts.resolution >= 128 else 64
    batch = usual if given == AUTO else given
    if facts.device == "cpu":
        # A short run of small networks: many small steps, large rates, and a strong penalty against
        # them. Compared on small_set at 20 and 40 kimg; see benchmarks/results/small_set_settings.md.
        chosen = {
            "total_kimg": 80.0,
            "generator_lr": 0.006 if vit else 0.01,
            "discriminator_lr": 0.002 if vit or r3gan else 0.005,
            "r1_gamma": (0.2 if vit else 1.0) * relative_area,
            "r1_interval": 4 if vit else 16,
        }
    else:
        published = 0.0002 * facts.resolution**2 / batch
        convolutional_lr = 2e-4 if r3gan else 0.0025
        chosen = {
            "total_kimg": 5000.0,
            "generator_lr": 0.0025,
            "discriminator_lr": (
                2e-4 * 384 / config["discriminator"]["width"] if vit else convolutional_lr
            ),
            "r1_gamma": 0.05 * relative_area if vit else published,
            "r1_interval": 1 if vit else 16,
        }
    return {
        **chosen,
        "batch": batch,
        "precision": "bf16" if facts.device == "cuda" else "float32",
        "warmup_kimg": 2.0 if vit else 0.0,
        "ema_half_life_kimg": 10 * batch / 32,
    }


def _metrics(config: dict[str, Any], facts: Facts) -> dict[str, Any]:
    on_cpu = facts.device == "cpu"
    return {"fakes": 2000 if on_cpu else 5000, "every_kimg": 20.0 if on_cpu else 200.0}


def _run(config: dict[str, Any], facts: Facts) -> dict[str, Any]:
    every = config["metrics"]["every_kimg"]
    status = 1.0 if facts.device == "cpu" else 4.0
    return {
        "status_every_kimg": status,
        "samples_every_kimg": every,
        "checkpoint_every_kimg": every,
    }


_RULES = {
    "data": _data,
    "augment": _augment,
    "generator": _generator,
    "discriminator": _discriminator,
    "training": _training,
    "metrics": _metrics,
    "run": _run,
}
