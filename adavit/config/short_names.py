"""Short names of settings: the flags of `adavit train`, and the arguments of `adavit.train`."""

from collections.abc import Mapping
from typing import Any

from adavit.config.layers import Values, merge
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.runtime.wording import did_you_mean

SHORT_NAMES = {
    "data": "data.source",
    "out": "run.out",
    "kimg": "training.total_kimg",
    "discriminator": "discriminator.kind",
    "init_discriminator": "training.init_discriminator",
    "resolution": "data.resolution",
    "channels": "data.channels",
    "frames": "data.frames",
    "scale_16bit": "data.scale_16bit",
    "subset": "data.subset",
    "val_fraction": "data.val_fraction",
    "data_root": "data.data_root",
    "follow_links": "data.follow_links",
    "cond": "data.cond",
    "mirror": "data.mirror",
    "augment": "augment.preset",
    "aug": "augment.mode",
    "p": "augment.p",
    "heuristic": "augment.heuristic",
    "target": "augment.target",
    "extra": "augment.extra",
    "transfer": "training.transfer",
    "freeze_d": "training.freeze_d",
    "batch": "training.batch",
    "microbatch": "training.microbatch",
    "precision": "training.precision",
    "compile": "training.compile",
    "metrics": "metrics.names",
    "extractor": "metrics.extractor",
    "inception_weights": "metrics.inception_weights",
    "fakes": "metrics.fakes",
    "metric_data": "metrics.reference",
    "patience": "metrics.patience_kimg",
    "seed": "run.seed",
    "device": "run.device",
    "keep": "run.keep_checkpoints",
}
"""Keys of the configuration by the names that most people need."""


def key_of_flag(flag: str) -> str:
    """The key of a flag such as "--freeze-d" or "--cond/--no-cond"."""
    return SHORT_NAMES[flag.partition("/")[0].removeprefix("--").replace("-", "_")]


def layer_of(settings: Mapping[str, Any]) -> Values:
    """Settings under their short names, or as whole sections, as a layer of the configuration.

    Args:
        settings: Such as kimg=20, or training={"r1_gamma": 1}; None is what was not given.

    Raises:
        UserError: If a name is none of them.
    """
    layer: Values = {}
    for name, value in settings.items():
        if name in RunConfig.model_fields and isinstance(value, Mapping):
            layer = merge(layer, {name: value})
            continue
        if name not in SHORT_NAMES:
            raise UserError(
                f"{name!r} is not a setting of adavit.train, expected one of: {', '.join(SHORT_NAMES)}; or"
                f" sections, as in training={{'r1_gamma': 1}}.{did_you_mean(name, SHORT_NAMES)}"
            )
        section, _, key = SHORT_NAMES[name].partition(".")
        if value is not None:
            layer.setdefault(section, {})[key] = value
    return layer
