"""What is wrong with settings, in words: a line for each mistake that validation finds."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from adavit.config.discriminator import DISCRIMINATORS
from adavit.config.run import RunConfig
from adavit.errors import shown
from adavit.runtime.wording import NEAR

OTHER_NAMES = {
    "lr": "generator_lr and training.discriminator_lr",
    "learning_rate": "generator_lr and training.discriminator_lr",
}
"""What other programs call settings of `training`, where the name alone does not lead to ours."""

_WHOLE = dict.fromkeys(
    ("int_parsing", "int_type", "int_from_float", "int_parsing_size"), "a whole number"
)
_NUMBER = dict.fromkeys(("float_parsing", "float_type"), "a number")
_SWITCH = dict.fromkeys(("bool_parsing", "bool_type"), "true or false")
_IN_QUOTES = "in quotes where YAML would read something else"
_EXPECTED = {
    **_WHOLE,
    **_NUMBER,
    **_SWITCH,
    "tuple_type": "a list",
    "string_type": f"text, {_IN_QUOTES}",
    "path_type": f"a path, {_IN_QUOTES}",
    "string_too_short": "text that is not empty",
    "too_short": "a list that is not empty",
}
"""By kind of mistake, where pydantic's words are those of a programmer."""

_READ_AS = {False: "off and no", True: "on and yes"}
"""Words that YAML takes for a switch, where one of several words is expected."""


def explain(
    error: ValidationError,
    values: Mapping[str, Any],
    model: type[BaseModel] = RunConfig,
    *,
    origins: Mapping[str, str] | None = None,
) -> list[str]:
    """One line per mistake: the key, its value, what was expected, what to do.

    Args:
        error: Of the validation.
        values: What was validated, by section.
        model: Against which it was.
        origins: What to change, such as "--kimg", by the key whose value it gave; of the others it is not known.
    """
    items = error.errors()
    # Values of a list that are wrong are left out before its length is looked at.
    spoilt = {item["loc"][:-1] for item in items}
    lines = (
        _explain_one(item, values, model, origins or {})
        for item in items
        if item["type"] != "too_short" or item["loc"] not in spoilt
    )
    return list(dict.fromkeys(lines))


def near_key(key: str, known: Collection[str]) -> str | None:
    """The setting or section that a misspelt key means, or None if it is like none.

    Args:
        key: Such as "training.r1_gama"; the section and the name within it may both be wrong.
        known: All sections and keys.
    """
    section, dot, name = key.partition(".")
    if not dot:
        found = difflib.get_close_matches(key, known, n=1, cutoff=NEAR)
        return found[0] if found else None
    if section == "training" and name in OTHER_NAMES:
        return f"training.{OTHER_NAMES[name]}"
    sections = difflib.get_close_matches(section, {k.partition(".")[0] for k in known}, n=1)
    for keys in ([k for k in known if k.partition(".")[0] in sections], known):
        names = {k.partition(".")[2]: k for k in keys if "." in k}
        found = difflib.get_close_matches(name, names, n=1, cutoff=NEAR)
        # A word more than ours, or one less: batch_size.
        found += [n for n in names if name.startswith(f"{n}_") or n.startswith(f"{name}_")]
        if found:
            return names[found[0]]
    return None


def _explain_one(
    item: Any, values: Mapping[str, Any], model: type[BaseModel], origins: Mapping[str, str]
) -> str:
    if item["type"] == "value_error" and "ctx" in item:  # our own cross-field checks
        return str(item["ctx"]["error"])
    # The location of a discriminated union holds the tag as well; keys of lists are numbers.
    path = [part for part in item["loc"] if part not in DISCRIMINATORS or len(item["loc"]) == 2]
    path = [str(part) for part in path if not isinstance(part, int)]
    # A union of types adds its member's name at the end of the location.
    key = ".".join(path[:2])
    if item["type"] == "invalid_key":
        return (
            f"{key or 'the configuration'} has the key {shown(item['input'])}, expected a name. Remove it, or write a"
            " setting; adavit settings prints what there is."
        )
    if item["type"] == "missing" and isinstance(item["loc"][-1], str):
        return f"{key} has an entry {shown(item['input'])} without {item['loc'][-1]}, expected one. Add it."
    if item["type"] == "extra_forbidden":
        return _explain_unknown(key, values, model)
    if item["type"] == "string_unicode":
        return (
            f"{key} is {shown(item['input'])}, which holds bytes that are not UTF-8 text, expected a name"
            " that is. Rename the file or folder."
        )
    if item["type"] in ("model_type", "model_attributes_type"):
        return (
            f"{key} is {shown(item['input'])}, expected a section of keys. Write for example '{key}:"
            " {...}'."
        )
    if item["type"] == "union_tag_invalid":
        return (
            f"discriminator.kind is {shown(item['ctx']['tag'])}, expected"
            f" {' or '.join(DISCRIMINATORS)}. Use one of them."
        )
    expected = item["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    expected = _EXPECTED.get(item["type"], expected)
    absent = item["type"] == "missing" and isinstance(item["loc"][-1], int)
    if absent or item["type"] == "too_long":
        expected = f"a list of {_length(path, model)}"
    origin = origins.get(key, f"--set {key}, the flag or the file")
    read = meant = ""
    if item["type"] == "literal_error" and isinstance(item["input"], bool):
        read = f", which is how YAML reads {_READ_AS[item['input']]}"
        meant = " to none" if not item["input"] and repr("none") in expected else ""
    return f"{key} is {shown(item['input'])}{read}, expected {expected}. Change {origin}{meant}."


def _length(path: Sequence[str], model: type[BaseModel]) -> int | str:
    """How many values a list of fixed length has."""
    annotation: Any = model
    for name in path:
        annotation = annotation.model_fields[name].annotation
    kinds = [annotation, *get_args(annotation)]  # a tuple, or one and None
    return next(
        (len(get_args(kind)) for kind in kinds if get_origin(kind) is tuple), "other length"
    )


def _explain_unknown(key: str, values: Mapping[str, Any], model: type[BaseModel]) -> str:
    kind = _kind_of_discriminator(values)
    known = list(_known_keys(kind, model))
    if not key.startswith("discriminator."):
        return f"{key} is not a setting.{_hint(key, known)}"
    for other in DISCRIMINATORS.keys() - {kind}:
        if key in _known_keys(other, model):
            return (
                f"{key} is not a setting of the {kind} discriminator, but of {other}. Leave it out, or set"
                f" discriminator.kind to {other}."
            )
    return f"{key} is not a setting of the {kind} discriminator.{_hint(key, known)}"


def _kind_of_discriminator(values: Mapping[str, Any]) -> str:
    """The kind whose settings are known: the default's where what is written is none, which is named by itself."""
    section = values.get("discriminator")
    written = section.get("kind") if isinstance(section, Mapping) else None
    return next((kind for kind in DISCRIMINATORS if kind == written), "resnet")


def _hint(key: str, known: Collection[str]) -> str:
    near = near_key(key, known)
    return " adavit settings prints what there is." if near is None else f" Did you mean {near}?"


def _known_keys(kind: str, model: type[BaseModel]) -> Iterator[str]:
    for section, field in model.model_fields.items():
        annotation: Any = DISCRIMINATORS[kind] if section == "discriminator" else field.annotation
        yield section
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from (f"{section}.{name}" for name in annotation.model_fields)
