"""Merges presets, files and flags into one `RunConfig`, and reports every mistake at once.

Precedence, weakest first: the defaults of `adavit.config.run`, a preset, `--config FILE`, `--set key=value`, a flag.
"""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from adavit.config.keep import with_kept_apart
from adavit.config.mistakes import explain
from adavit.config.run import RunConfig
from adavit.config.section import leaves_open
from adavit.config.without_effect import without_effect
from adavit.errors import UserError, shown
from adavit.runtime.inputs import read_input
from adavit.runtime.paths import takes_paths
from adavit.runtime.wording import did_you_mean
from adavit.runtime.yaml_text import RepeatedKey, TooLarge, load_yaml

Values = dict[str, Any]


class Layer(Values):
    """Settings that remember how the user gave them.

    Attributes:
        origin: What to change where one of them is wrong, such as "--kimg".

    Args:
        values: By section.
        origin: See there.
    """

    def __init__(self, values: Mapping[str, Any], origin: str) -> None:
        super().__init__(values)
        self.origin = origin


def preset_names() -> list[str]:
    """Names that `--preset` takes, sorted."""
    folder = resources.files("adavit.configs") / "presets"
    return sorted(
        f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")
    )


def preset_text(name: str) -> str:
    """The file of a shipped preset.

    Raises:
        UserError: If there is no such preset.
    """
    if name not in preset_names():
        raise UserError(
            f"preset {name!r} is unknown, expected one of: {', '.join(preset_names())}."
            f"{did_you_mean(name, preset_names())}"
        )
    file = resources.files("adavit.configs") / "presets" / f"{name}.yaml"
    return file.read_text(encoding="utf-8")


def read_preset(name: str) -> Values:
    """The settings of a shipped preset.

    Raises:
        UserError: If there is no such preset.
    """
    return parse_yaml(preset_text(name), f"preset {name}")


@takes_paths("path")
def read_config_file(path: Path) -> Values:
    """The settings of a YAML file of the user's.

    Raises:
        UserError: If it cannot be read, is not YAML, or is not a mapping of sections of keys.
    """
    try:
        text = read_input(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"--config {str(path)!r} cannot be read ({_reason(error)}). Expected a YAML file; check"
            " the path."
        ) from None
    where = f"--config {str(path)!r}"
    values = parse_yaml(text, where)
    wrong = [
        f"{section} is {shown(keys)} in {where}, expected a section of keys, such as 'training: {{batch: 32}}'."
        " Correct the file."
        for section, keys in values.items()
        if not isinstance(keys, Mapping | None)
    ]
    if wrong:
        raise UserError("\n".join(wrong))
    return Layer(values, f"it in {where}")


def parse_yaml(text: str, where: str) -> Values:
    """A mapping of sections from YAML text; tags that would build objects are refused by the safe loader."""
    try:
        values = load_yaml(text)
    except TooLarge as error:
        raise UserError(
            f"{where} cannot be used: {error}. Expected a few hundred settings at most; write them"
            " out, without references (& and *)."
        ) from None
    except RepeatedKey as error:
        raise UserError(
            f"{where} has {error}, expected it once: the first would be lost. Remove one, or make one of both."
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: an impossible date
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        place = "" if line is None else f" at line {line + 1}"
        raise UserError(
            f"{where} is not valid YAML{place}. Expected lines such as 'training: {{batch: 32}}';"
            " correct the file."
        ) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(
            f"{where} holds a {type(values).__name__}, expected a mapping of sections such as data,"
            " training. Correct the file."
        )
    return values


def parse_assignment(text: str) -> Values:
    """Parses an assignment such as `training.r1_gamma=0.1` to nested values; the value is read as YAML.

    Raises:
        UserError: If it has no `=` or names no section.
    """
    key, equals, value = text.partition("=")
    section, dot, field = key.strip().partition(".")
    if not equals or not dot or not section or not field:
        raise UserError(
            f"--set {text!r} is not an assignment, expected SECTION.KEY=VALUE. Write for example"
            " --set training.r1_gamma=0.1."
        )
    try:
        read = load_yaml(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        read = value
    return Layer({section: {field: read}}, f"--set {section}.{field}")


def merge(*layers: Mapping[str, Any]) -> Values:
    """Sections of later layers over those of earlier ones, key by key.

    The keys of one kind of discriminator are no keys of another: a layer that names another kind than the last that
    does is left out of that section.
    """
    merged: Values = {}
    last = dict(pair for layer in layers for pair in _kinds(layer))
    for layer in map(_written_out, layers):
        own = dict(_kinds(layer))
        for section, values in layer.items():
            if values is None:  # a section without keys in YAML
                continue
            before = merged.get(section)
            if not isinstance(values, Mapping):
                merged[section] = values
            elif section not in own or own[section] == last[section]:
                merged[section] = {**(before if isinstance(before, dict) else {}), **values}
    return merged


def _written_out(layer: Mapping[str, Any]) -> Mapping[str, Any]:
    """A layer in which no word stands for two settings; validation tells what is wrong with a word that is none."""
    run = layer.get("run")
    if not isinstance(run, Mapping):
        return layer
    try:
        return {**layer, "run": with_kept_apart(run)}
    except ValueError:
        return layer


def _kinds(layer: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Sections of which there are kinds, with the kind that a layer names."""
    return [
        (section, values["kind"])
        for section, values in layer.items()
        if isinstance(values, Mapping) and "kind" in values
    ]


def without_auto(layer: Mapping[str, Any]) -> Values:
    """A layer without the keys that it leaves open, to be laid over what was chosen for them before."""
    return {
        section: (
            {key: value for key, value in values.items() if not leaves_open(value)}
            if isinstance(values, Mapping)
            else values
        )
        for section, values in layer.items()
    }


def build_config(layers: Sequence[Mapping[str, Any]]) -> RunConfig:
    """One validated configuration from layers, weakest first.

    Raises:
        UserError: Naming every mistake, a line each.
    """
    values, origins = merge(*layers), origins_of(layers)
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        lines = explain(error, values, origins=origins)
        raise UserError("\n".join(lines)) from None
    if unused := without_effect(config, origins):
        raise UserError("\n".join(unused))
    return config


def origins_of(layers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What to change, by the key whose value counts; without those of layers that do not know it."""
    origins: dict[str, str] = {}
    for layer in layers:
        for section, given in layer.items():
            for key in given if isinstance(given, Mapping) else ():
                origins.pop(f"{section}.{key}", None)
                if isinstance(layer, Layer):
                    origins[f"{section}.{key}"] = layer.origin
    return origins


def flatten(config: Mapping[str, Any]) -> Values:
    """`{"data": {"mirror": True}}` as `{"data.mirror": True}`."""
    return {f"{s}.{k}": v for s, values in config.items() for k, v in values.items()}


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
