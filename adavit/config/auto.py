"""Chooses the settings that hold "auto" from the resolution, the number of images and the device.

The figures are those of the published systems (StyleGAN2-ADA's `auto` on an accelerator) and, on a CPU, of our own
trials; nothing here reads data or touches a device.
"""

import math
from dataclasses import dataclass
from typing import Any

from adavit.augment.presets import DIFFAUG, preset_multipliers
from adavit.augment.settings import MAGNITUDES, OPERATIONS, TARGETS
from adavit.config.precision import choose_precision
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.config.section import AUTO
from adavit.config.training import LOSSES_WITHOUT_THRESHOLD, WITHOUT_SAN
from adavit.features.architectures import LOGIT_KERNEL, patch_of
from adavit.models.groups import group_size
from adavit.models.published_vit import PARTS, SIZES, is_of_library
from adavit.runtime.resolution import Resolution


@dataclass(frozen=True)
class RunFacts:
    """What "auto" settings are chosen from.

    Attributes:
        resolution: Of the training images.
        training_images: How many images are trained on, without flips.
        device: "cpu" or "cuda".
        bf16: Whether the device has units for bfloat16; None: not asked, CUDA devices have them and CPUs do not.
        processes: How many share each batch.
    """

    resolution: Resolution
    training_images: int
    device: str
    bf16: bool | None = None
    processes: int = 1


def why_precision(facts: RunFacts) -> str:
    """Why a device gets a precision that is not the usual one of its kind; empty where it gets that.

    Args:
        facts: Of the data and the device.
    """
    _, why = choose_precision(facts.device, facts.bf16)
    return why


def why_no_quarter_turns(config: RunConfig, facts: RunFacts) -> str:
    """Why images that are no squares are not turned by quarters, as those of the preset are; empty elsewhere.

    Args:
        config: As merged from presets, files and flags.
        facts: Of the data.
    """
    augment = config.augment
    turned = augment.preset != DIFFAUG and "rotate90" in preset_multipliers(augment.preset)
    is_chosen = augment.mode != "none" and config.given("augment.rotate90") is None
    if facts.resolution.is_square or not turned or not is_chosen:
        return ""
    return (
        "Quarter turns are left out of the augmentation: images that are not square would be reflections in part."
        " --set augment.rotate90=1 takes them."
    )


def resolve(config: RunConfig, facts: RunFacts) -> ResolvedConfig:
    """Chooses every setting that holds "auto", and validates the whole.

    Args:
        config: As merged from presets, files and flags.
        facts: Of the data and the device.

    Returns:
        The configuration of the run.

    Raises:
        pydantic.ValidationError: If chosen and given values do not go together.
    """
    # Later sections lean on earlier ones (the learning rate on the width), so they are filled in order.
    filled = config.as_dict()
    if facts.processes > 1 and filled["training"]["microbatch"] is None:
        # Stored, so that any number of processes that divides the slices goes on with the run. Where this one does not
        # divide the batch, whoever makes slices says so.
        each, rest = divmod(_batch(filled, facts), facts.processes)
        filled["training"]["microbatch"] = None if rest else each
    for section in _RULES:
        chosen = _RULES[section](filled, facts)
        given = {key: value for key, value in filled[section].items() if value != AUTO}
        filled[section] |= chosen | given
    return ResolvedConfig.model_validate(filled)


def _data(config: dict[str, Any], facts: RunFacts) -> dict[str, Any]:
    return {"resolution": facts.resolution.plain}


def _augment(config: dict[str, Any], facts: RunFacts) -> dict[str, Any]:
    vit, preset = config["discriminator"]["kind"] == "vit", config["augment"]["preset"]
    adapted, given = config["augment"]["mode"] == "ada", config["augment"]["heuristic"]
    has_threshold = _loss(config) not in LOSSES_WITHOUT_THRESHOLD
    heuristic = given if given != AUTO else "rt" if has_threshold else "relative"
    speed = 200.0 if facts.training_images <= 5000 else 500.0
    return {
        "heuristic": heuristic,
        "target": TARGETS[heuristic],
        # A ViT overfits sooner than a convolutional network and is never without augmentation.
        "initial_p": min(0.2, config["augment"]["p_max"]) if vit and adapted else 0.0,
        # As the published system does when it resumes from another network.
        "speed_kimg": speed if config["training"]["transfer"] is None else 100.0,
        **dict.fromkeys(OPERATIONS, 0.0),
        **({} if preset == DIFFAUG else preset_multipliers(preset)),
        # A quarter turn of an image that is no square shows reflections beside a part of it.
        **({} if facts.resolution.is_square else {"rotate90": 0.0}),
        **MAGNITUDES,
    }


def _generator(config: dict[str, Any], facts: RunFacts) -> dict[str, Any]:
    dim = 128 if facts.device == "cpu" else 512
    rate = 0.1 if facts.device == "cpu" else 0.01
    return {
        "latent_dim": dim,
        "style_dim": dim,
        "mapping_layers": 2,
        "mapping_lr_multiplier": rate,
        **_channels(facts),
    }


def _discriminator(config: dict[str, Any], facts: RunFacts) -> dict[str, Any]:
    if config["discriminator"]["kind"] == "projected":
        return {}
    group = _usual_group(_at_a_time(config, facts))
    if config["discriminator"]["kind"] == "resnet":
        # R3GAN has none; its relativistic loss sees variety.
        is_r3gan = config["discriminator"]["form"] == "r3gan"
        return {
            **_channels(facts),
            "form": "residual",
            "minibatch_std_group": 0 if is_r3gan else group,
        }
    on_cpu = facts.device == "cpu"
    side = 8 if on_cpu or facts.resolution.nominal_side < 128 else 16
    width = 192 if on_cpu else 384
    given = config["discriminator"]["width"]
    width_used = width if given == AUTO else given
    per_head = 32 if on_cpu else 64
    heads = max(1, width_used // per_head)
    while width_used % heads:
        heads -= 1
    return {
        "patch": max(1, facts.resolution.nominal_side // side),
        "width": width,
        "depth": 3 if on_cpu else 6,
        "heads": heads,
        "mlp_ratio": 2.0 if on_cpu else 4.0,
        "minibatch_std_group": group if on_cpu else 0,
        "stem": "overlap",
        "attention": "qknorm",
        **(PARTS | SIZES if _starts_from_published(config) else {}),
    }


def _starts_from_published(config: dict[str, Any]) -> bool:
    start = config["training"]["init_discriminator"]
    return start is not None and is_of_library(start)


def _features(config: dict[str, Any], facts: RunFacts) -> dict[str, Any]:
    alone = config["discriminator"]["kind"] == "projected"
    network, images = config["features"]["network"], _at_a_time(config, facts)
    return chosen_features(network, facts.resolution, images, alone=alone)


def chosen_features(
    network: str | None, resolution: Resolution, images: int, *, alone: bool
) -> dict[str, Any]:
    """What is chosen in the section `features`.

    Args:
        network: As in `features.network`.
        resolution: Of the images.
        images: Those that are computed at a time.
        alone: Whether no other discriminator sees the images.
    """
    return {
        "side": features_side(network, resolution),
        # Alone it draws one motif with heads as they are beside another discriminator.
        "mixing": "channels" if alone else "none",
        "normalization": "batch" if alone else "none",
        "minibatch_std_group": 0 if alone else _usual_group(images),
    }


def features_side(network: str | None, resolution: Resolution) -> int:
    """Side in pixels of the images that a frozen network sees, where none was asked for.

    Args:
        network: As in `features.network`.
        resolution: Of the images.
    """
    patch = 1 if network is None else patch_of(network)
    patches = math.ceil(max(64, min(resolution.nominal_side, 224)) / patch)
    return patch * max(LOGIT_KERNEL, patches)


def _batch(config: dict[str, Any], facts: RunFacts) -> int:
    given: int | str = config["training"]["batch"]
    if isinstance(given, int):
        return given
    return 16 if facts.device == "cpu" else 32 if facts.resolution.nominal_side >= 128 else 64


def _at_a_time(config: dict[str, Any], facts: RunFacts) -> int:
    images: int = config["training"]["microbatch"] or _batch(config, facts)
    return images


def _usual_group(images: int) -> int:
    """Images over which the standard deviation is taken, where `images` are computed at a time."""
    return group_size(images, 4)


def _loss(config: dict[str, Any]) -> str:
    given: str = config["training"]["loss"]
    usual = "hinge" if config["discriminator"]["kind"] == "projected" else "non_saturating"
    return usual if given == AUTO else given


def _channels(facts: RunFacts) -> dict[str, Any]:
    if facts.device == "cpu":
        return {"channel_base": 16 * facts.resolution.nominal_side, "channel_max": 64}
    return {
        "channel_base": 16384 if facts.resolution.nominal_side < 512 else 32768,
        "channel_max": 512,
    }


def _training(config: dict[str, Any], facts: RunFacts) -> dict[str, Any]:
    vit = config["discriminator"]["kind"] == "vit"
    # Like those of a ViT, these weights are not equalised; the paper's rate (arXiv:2501.05441).
    r3gan = config["discriminator"].get("form") == "r3gan"
    relative_area = facts.resolution.area / 32**2
    batch = _batch(config, facts)
    relativistic = _loss(config) == "relativistic"
    if facts.device == "cpu":
        # A short run of small networks: many small steps, large rates, and a strong penalty against
        # them. Compared on small_set at 20 and 40 kimg; see benchmarks/results/small_set_settings.md.
        chosen: dict[str, Any] = {
            "total_kimg": 50.0 if vit else 80.0,  # under ten minutes on two cores
            "generator_lr": 0.006 if vit else 0.01,
            "discriminator_lr": 0.0015 if vit else 0.002 if r3gan else 0.005,
            "r1_gamma": (0.5 if vit else 1.0) * relative_area,
            "r1_interval": 4 if vit else 16,
        }
    else:
        published = 0.0002 * facts.resolution.area / batch
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
    if _starts_from_published(config):
        # The rate for an accelerator, by the width of the published network.
        chosen["discriminator_lr"] = 2e-4 * 384 / SIZES["width"]
    # One bound on the gradient is enough: that of the penalty, or the spectral norm of the heads.
    if config["training"]["gradient_penalty"] or config["discriminator"]["kind"] == "projected":
        chosen["r1_gamma"] = 0.0
    chosen["precision"], _ = choose_precision(facts.device, facts.bf16)

    def used(key: str) -> Any:
        value = config["training"][key]
        return chosen[key] if value == AUTO else value

    return {
        **chosen,
        "batch": batch,
        "compile": False,  # but see `adavit.training.within_budget`
        "loss": _loss(config),
        # Three seeds of three drew more kinds of things with it, see benchmarks/results/feature_critic.md.
        "san": config["discriminator"]["kind"] == "projected" and _loss(config) not in WITHOUT_SAN,
        "fast_reduce": facts.device == "cuda" and not config["training"]["deterministic"],
        "warmup_kimg": min(2.0, used("total_kimg") / 10) if vit else 0.0,
        "schedule_kimg": used("total_kimg"),
        "r2_gamma": used("r1_gamma") if relativistic else 0.0,
        "r2_interval": used("r1_interval"),
        "penalty_sigma": _penalty_sigma(used("precision"), facts),
        # As published, but so that p moves in a short run too.
        "chain_start_kimg": min(5.0 * batch, used("total_kimg") / 10),
        "chain_speed_kimg": 1.0 * batch,
        "ema_half_life_kimg": 10 * batch / 32,
        # The average of a run that starts from another one is good from the first image.
        "ema_ramp": 0.05 if config["training"]["transfer"] is None else None,
    }


def _penalty_sigma(precision: str, facts: RunFacts) -> float:
    """Noise of the approximate penalties, in pixel values.

    On a ViT at 32 px, 64 images, the parameters' gradient had a cosine with that of exact R1 of 0.93 at
    0.01 by forward differences in float32; in bfloat16, where the logits are rounded, of 0.52 there and
    0.97 at 0.1 by central ones. A CUDA device convolves in TF32, which rounds alike, when nothing else
    is asked for.
    """
    exact = precision != "bf16" and facts.device != "cuda"
    return 0.01 if exact else 0.1


def _metrics(config: dict[str, Any], facts: RunFacts) -> dict[str, Any]:
    on_cpu = facts.device == "cpu"
    return {"fakes": 2000 if on_cpu else 5000, "every_kimg": 20.0 if on_cpu else 200.0}


def _run(config: dict[str, Any], facts: RunFacts) -> dict[str, Any]:
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
    "features": _features,
    "training": _training,
    "metrics": _metrics,
    "run": _run,
}
