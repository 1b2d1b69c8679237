"""Every setting in words: key, type, range, default and meaning, as the sections declare them; and a JSON schema."""

import functools
import re
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from adavit.config.discriminator import DISCRIMINATORS
from adavit.config.pretraining import PretrainConfig
from adavit.config.run import RunConfig
from adavit.config.section import AUTO, ConfigModel, leaves_open
from adavit.runtime.patch import Patch
from adavit.runtime.resolution import Resolution

_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
_TYPES = {
    int: "INTEGER",
    float: "NUMBER",
    bool: "true|false",
    str: "TEXT",
    Path: "PATH",
    Resolution: "SIDE|HEIGHTxWIDTH",
    Patch: "SIDE|HEIGHTxWIDTH",
}


@dataclass(frozen=True)
class Setting:
    """A setting as it is shown.

    Attributes:
        key: Such as "training.batch".
        whose: "vit" or "resnet" for a setting that only one kind of discriminator has, or the command that alone
            takes it; else "".
        values: What it takes, such as "INTEGER" or "ada|fixed|scheduled|none".
        bounds: Such as "> 0"; "" where there are none.
        default: In words, such as "0.6" or "500, up to 5,000 images 200; 100 with transfer".
        meaning: A sentence or more.
    """

    key: str
    whose: str
    values: str
    bounds: str
    default: str
    meaning: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The words it takes; empty for numbers and text."""
        plain = self.values.removesuffix(",...")
        return tuple(plain.split("|")) if "|" in plain else ()


@functools.cache
def settings_of(model: type[ConfigModel] = RunConfig) -> dict[str, Setting]:
    """The settings of a configuration by their keys, in the order in which they are declared.

    Args:
        model: `RunConfig`, or `adavit.config.pretraining.PretrainConfig`.

    Returns:
        By key; one that both kinds of discriminator have is there once.
    """
    found: dict[str, Setting] = {}
    for section, field in model.model_fields.items():
        kinds: dict[str, type[ConfigModel]] = {"": typing.cast(Any, field.annotation)}
        if section == "discriminator":
            kinds = (
                {"vit": DISCRIMINATORS["vit"]} if model is PretrainConfig else {**DISCRIMINATORS}
            )
        for kind, part in kinds.items():
            for name, info in part.model_fields.items():
                key = f"{section}.{name}"
                if key == "discriminator.kind":
                    found[key] = Setting(key, "", "|".join(kinds), "", next(iter(kinds)), _KIND)
                elif key in found:
                    found[key] = _shared(found[key], _setting(key, "", info))
                else:
                    found[key] = _setting(key, kind, info)
    return found


_KIND = (
    "Which network tells real images from generated ones: a convolutional one, a vision transformer, or heads"
    " on what --features names."
)


def _shared(first: Setting, second: Setting) -> Setting:
    """A setting of both kinds of discriminator."""
    default = f"{first.default}; for vit {second.default}"
    return Setting(first.key, "", first.values, first.bounds, default, first.meaning)


def _setting(key: str, whose: str, info: FieldInfo) -> Setting:
    text = " ".join((info.description or "").split())
    default = _plain(info.default)
    open_word = None
    if info.is_required() or leaves_open(info.default):  # required: declared by `auto`
        open_word = AUTO
    elif info.default is None:
        open_word = "None"
    if open_word is not None:
        text, found, words = _split(text, open_word)
        default = words if found else "none"
    bounds = [
        f"{sign} {getattr(bound, name):g}"
        for name, sign in _BOUNDS.items()
        for bound in info.metadata
        if getattr(bound, name, None) is not None and getattr(bound, name) < 2**53
    ]
    return Setting(key, whose, values_in_words(info.annotation), ", ".join(bounds), default, text)


def _split(text: str, word: str) -> tuple[str, bool, str]:
    """A description at the sentence that says what `word` stands for."""
    match = re.search(rf"(?:^|(?<=\s)){word}: (.*?)\.(?=\s\w+: |$)", text)
    if match is None:
        return text, False, ""
    return (text[: match.start()].rstrip() + text[match.end() :]).strip(), True, match[1]


def values_in_words(annotation: Any) -> str:
    """What a type takes, in a word: INTEGER, NUMBER, a|b|c."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "|".join(map(str, arguments))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(values_in_words(a) for a in arguments if a is not type(None))
    if origin is typing.Annotated:
        return values_in_words(arguments[0])
    if origin is tuple:
        return f"{values_in_words(arguments[0])},..."
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "OPERATION[:P]"
    return _TYPES[annotation]


def _plain(default: object) -> str:
    """A default as a user writes it."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(map(str, default)) or "none"
    return f"{default:g}" if isinstance(default, float) else str(default)


class _Schema(GenerateJsonSchema):
    """Writes the default of a section down with its open fields as the word "auto"."""

    def encode_default(self, dft: Any) -> Any:
        return (
            dft.model_dump(mode="json", warnings=False)
            if isinstance(dft, ConfigModel)
            else super().encode_default(dft)
        )


def json_schema() -> dict[str, Any]:
    """The JSON schema of a file for `--config`, in which every section and key may be left out.

    A field that may be left open takes the word "auto" too.
    """
    schema = RunConfig.model_json_schema(schema_generator=_Schema)
    for definition in schema["$defs"].values():
        for name, field in definition.get("properties", {}).items():
            if field.pop("may_be_open", False):
                shown = {key: field.pop(key) for key in ("title", "description") if key in field}
                field.pop("default", None)
                definition["properties"][name] = {
                    **shown,
                    "default": AUTO,
                    "anyOf": [*field.pop("anyOf", [field]), {"const": AUTO}],
                }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
