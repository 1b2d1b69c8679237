"""The settings of a run in a few lines, for people: what was given, and what was chosen for what was left open."""

import textwrap
from collections.abc import Mapping
from typing import Any

from adavit.augment.settings import MAGNITUDES, OPERATIONS
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.config.section import leaves_open

WIDTH = 100
"""Characters of a line."""

_COLUMN = 1 + max(map(len, RunConfig.model_fields))
_FOLLOW = {f"augment.{name}" for name in (*OPERATIONS, *MAGNITUDES)}
"""Chosen too, but told by the name of the preset that they follow from."""


def summarise_settings(config: RunConfig, resolved: ResolvedConfig) -> str:
    """Lines of settings by section, those that have their defaults left out.

    Args:
        config: As it was asked for, presets included.
        resolved: What it has become.
    """
    default = RunConfig().as_dict()
    default["discriminator"] = type(config.discriminator)().model_dump(
        exclude={"kind"}, warnings=False
    )
    given: dict[str, list[str]] = {}
    chosen: dict[str, list[str]] = {}
    held = resolved.as_dict()
    silent = _FOLLOW | _without_effect(resolved)
    for section, values in config.as_dict().items():
        for key, value in values.items():
            found = held[section][key]
            if leaves_open(value) or (value is None and found is not None):
                if not leaves_open(found) and f"{section}.{key}" not in silent:
                    chosen.setdefault(section, []).append(f"{key} {_shown(found)}")
            elif value != default[section].get(key):
                given.setdefault(section, []).append(f"{key} {_shown(value)}")
    blocks = [("Settings given:", given), ("Chosen for what was left open:", chosen)]
    return "\n".join(line for title, found in blocks if found for line in (title, *_lines(found)))


def _without_effect(resolved: ResolvedConfig) -> set[str]:
    """Keys of what the run does not have."""
    silent: set[str] = set()
    if resolved.features.network is None:
        silent |= {f"features.{key}" for key in type(resolved.features).model_fields}
    if resolved.given("discriminator.normalization") != "chain":
        fields = type(resolved.training).model_fields
        silent |= {f"training.{key}" for key in fields if key.startswith("chain_")}
    return silent


def _lines(found: Mapping[str, list[str]]) -> list[str]:
    indent = "  "
    return [
        line.replace("\0", " ")
        for section, parts in found.items()
        for line in textwrap.wrap(
            # A blank within a part would let it be broken there.
            ", ".join(part.replace(" ", "\0") for part in parts),
            WIDTH,
            initial_indent=f"{indent}{section:<{_COLUMN}}",
            subsequent_indent=" " * (len(indent) + _COLUMN),
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _shown(value: Any) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value)
