"""Merges presets, files and flags into one `RunConfig`, and reports every mistake at once.

Precedence, weakest first: the defaults of `adavit.config.run`, a preset, `--config FILE`, `--set key=value`, a flag.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from adavit.config.run import ResNetConfig, RunConfig, ViTConfig
from adavit.config.section import AUTO
from adavit.errors import UserError, shown
from adavit.runtime.inputs import read_input
from adavit.runtime.paths import takes_paths
from adavit.runtime.yaml_text import TooLarge, load_yaml

Values = dict[str, Any]


def preset_names() -> list[str]:
    """Names that `--preset` takes, sorted."""
    folder = resources.files("adavit.configs") / "presets"
    return sorted(
        f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")
    )


def read_preset(name: str) -> Values:
    """The settings of a shipped preset.

    Raises:
        UserError: If there is no such preset.
    """
    if name not in preset_names():
        raise UserError(
            f"--preset {name!r} is unknown, expected one of: {', '.join(preset_names())}."
            f"{_nearest(name, preset_names())}"
        )
    text = (resources.files("adavit.configs") / "presets" / f"{name}.yaml").read_text(
        encoding="utf-8"
    )
    return parse_yaml(text, f"preset {name}")


@takes_paths("path")
def read_config_file(path: Path) -> Values:
    """The settings of a YAML file of the user's.

    Raises:
        UserError: If it cannot be read, is not YAML, or is not a mapping of sections.
    """
    try:
        text = read_input(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"--config {str(path)!r} cannot be read ({_reason(error)}). Expected a YAML file; check"
            " the path."
        ) from None
    return parse_yaml(text, f"--config {str(path)!r}")


def parse_yaml(text: str, where: str) -> Values:
    """A mapping of sections from YAML text; tags that would build objects are refused by the safe loader."""
    try:
        values = load_yaml(text)
    except TooLarge as error:
        raise UserError(
            f"{where} cannot be used: {error}. Expected a few hundred settings at most; write them"
            " out, without references (& and *)."
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
        return {section: {field: load_yaml(value)}}
    except (yaml.YAMLError, ValueError, RecursionError):
        return {section: {field: value}}


def merge(*layers: Mapping[str, Any]) -> Values:
    """Sections of later layers over those of earlier ones, key by key."""
    merged: Values = {}
    for layer in layers:
        for section, values in layer.items():
            if values is None:  # a section without keys in YAML
                continue
            before = merged.get(section)
            if isinstance(values, Mapping) and isinstance(before, dict):
                # The keys of one kind of discriminator are no keys of another.
                another = "kind" in values and before.get("kind", values["kind"]) != values["kind"]
                merged[section] = {**({} if another else before), **values}
            else:
                merged[section] = dict(values) if isinstance(values, Mapping) else values
    return merged


def without_auto(layer: Mapping[str, Any]) -> Values:
    """A layer without the keys that it leaves open, to be laid over what was chosen for them before."""
    return {
        section: (
            {key: value for key, value in values.items() if value != AUTO}
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
    values = merge(*layers)
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(explain(error, values))) from None


def explain(
    error: ValidationError, values: Mapping[str, Any], model: type[BaseModel] = RunConfig
) -> list[str]:
    """One line per mistake in values for `model`: the key, its value, what was expected, what to do."""
    return list(dict.fromkeys(_explain_one(item, values, model) for item in error.errors()))


def flatten(config: Mapping[str, Any]) -> Values:
    """`{"data": {"mirror": True}}` as `{"data.mirror": True}`."""
    return {f"{s}.{k}": v for s, values in config.items() for k, v in values.items()}


def _explain_one(item: Any, values: Mapping[str, Any], model: type[BaseModel]) -> str:
    if item["type"] == "value_error" and "ctx" in item:  # our own cross-field checks
        return str(item["ctx"]["error"])
    # The location of a discriminated union holds the tag as well; keys of lists are numbers.
    path = [part for part in item["loc"] if part not in ("vit", "resnet") or len(item["loc"]) == 2]
    path = [str(part) for part in path if not isinstance(part, int)]
    # A union of types adds its member's name at the end of the location.
    key = ".".join(path[:2])
    if item["type"] == "extra_forbidden":
        kind = (
            (values.get("discriminator") or {}).get("kind", "resnet")
            if path[0] == "discriminator"
            else ""
        )
        whose = f" of the {kind} discriminator" if kind else ""
        known = list(_known_keys(kind or "resnet", model))
        return f"{key} is not a setting{whose}.{_nearest(key, known)}"
    if item["type"] == "string_unicode":
        return (
            f"{key} is {shown(item['input'])}, which holds bytes that are no text in UTF-8, expected a name"
            " that is. Rename the file or folder."
        )
    if item["type"] in ("model_type", "model_attributes_type"):
        return (
            f"{key} is {shown(item['input'])}, expected a section of keys. Write for example '{key}:"
            " {...}'."
        )
    if item["type"] == "union_tag_invalid":
        return (
            f"discriminator.kind is {shown(item['ctx']['tag'])}, expected vit or resnet. Use one of the"
            " two."
        )
    expected = item["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    expected = {"tuple": "a list"}.get(expected, expected)  # what YAML calls it
    return (
        f"{key} is {shown(item['input'])}, expected {expected}. Change --set {key}, the flag or the"
        " file."
    )


def _known_keys(kind: str, model: type[BaseModel]) -> Iterator[str]:
    for section, field in model.model_fields.items():
        network = {"vit": ViTConfig, "resnet": ResNetConfig}[kind]
        annotation: Any = network if section == "discriminator" else field.annotation
        yield section
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from (f"{section}.{name}" for name in annotation.model_fields)


def _nearest(word: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    return f" Did you mean {found[0]}?" if found else " adavit settings prints what there is."


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
