"""Short names of settings: the flags of `adavit train`, and the arguments of `adavit.train`."""

import re
from collections.abc import Container, Mapping
from typing import Any

from adavit.config.layers import Values, merge
from adavit.config.run import RunConfig
from adavit.config.settings import settings_of
from adavit.errors import UserError
from adavit.runtime.wording import did_you_mean

SHORT_NAMES = {
    "data": "data.source",
    "out": "run.out",
    "kimg": "training.total_kimg",
    "budget": "run.budget",
    "discriminator": "discriminator.kind",
    "features": "features.network",
    "init_discriminator": "training.init_discriminator",
    "resolution": "data.resolution",
    "channels": "data.channels",
    "frames": "data.frames",
    "scale_16bit": "data.scale_16bit",
    "fit": "data.fit",
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
    "memory": "run.memory",
    "precision": "training.precision",
    "compile": "training.compile",
    "deterministic": "training.deterministic",
    "fast_reduce": "training.fast_reduce",
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


# A flag, and what may be its value: words of a sentence may follow it too.
_FLAG = re.compile(r"--([a-z][a-z0-9-]*)(?: (\d[\w.]*\b|[A-Z]{2,}|[a-z]\w*)\b)?")
_NAMED_COMMAND = re.compile(r"\badavit [a-z]+ [^.,;]*$")
# What the user gave, as messages say it: a path may look like a flag. No apostrophe of a word opens it.
_GIVEN = re.compile(r"""(?<!\w)('[^']*'|"[^"]*")(?!\w)""")


def in_keys(message: str, flags: Container[str] = ()) -> str:
    """A message whose remedies hold where flags of `adavit train` are not taken.

    `Use --resolution 32` becomes `Use --set data.resolution=32`, and `Lower --subset` becomes
    `Lower data.subset`. The flags of a whole command that the message names stay as they are, and so does
    what stands in quotes.

    Args:
        message: As raised by what knows the flags of `adavit train` alone.
        flags: Those that are taken all the same, such as "--data".
    """
    given = [range(*found.span()) for found in _GIVEN.finditer(message)]

    def replaced(found: re.Match[str]) -> str:
        if any(found.start() in each for each in given):
            return found[0]
        name = found[1].replace("-", "_")
        if name not in SHORT_NAMES or f"--{found[1]}" in flags:
            return found[0]
        if _NAMED_COMMAND.search(message[: found.start()]):
            return found[0]
        key, word = SHORT_NAMES[name], found[2]
        if word is None:
            return key
        return f"--set {key}={word}" if _is_value(word, key) else f"{key} {word}"

    return _FLAG.sub(replaced, message)


def _is_value(word: str, key: str) -> bool:
    """Whether a word behind a flag is the value of its setting, and not the next one of the sentence."""
    return not word[0].islower() or word in ("auto", "none", *settings_of()[key].choices)


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
