"""What all sections of a configuration have in common: frozen, strict, with rules, and open to the word "auto".

A section is written once, as what a run holds: plain types, and every value is there. A field declared by `auto` may be
left open until the data and the device are known: `Writable[Section]` is the same section as a user may write it, in
which such a field is optional and holds the word "auto" until `adavit.config.auto.resolve` has chosen.
"""

import copy
import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    PlainValidator,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema

from adavit.errors import shown
from adavit.runtime.amounts import bytes_of
from adavit.runtime.device_names import checked_device
from adavit.runtime.patch import Patch
from adavit.runtime.paths import expand_home
from adavit.runtime.resolution import LARGEST_RESOLUTION, Resolution
from adavit.runtime.sides import Sides
from adavit.runtime.time_spans import seconds_in

AUTO = "auto"
"""Stands for a value that is still to be chosen; also the word a user may write for it."""

SEED_END = 2**63
"""Seeds are below it: what fits in 63 bits is a number to every file format and library."""

MOST = 10**30
"""Upper bound of counts that have no other: Python's whole numbers have no end, floats, which they become, have."""

_MAY_BE_OPEN = {"may_be_open": True}
_ABSENT = object()

Check = Callable[[Any], None]
Model = TypeVar("Model", bound="ConfigModel")


def _known_device(value: Any) -> Any:
    return checked_device(value, "run.device") if isinstance(value, str) else value


DeviceName = Annotated[Literal["auto", "cpu", "cuda"], BeforeValidator(_known_device)]
"""One of `adavit.runtime.device_names.DEVICES`."""


def _resolution(value: Any) -> Resolution:
    return Resolution.of(value, named="data.resolution", largest=LARGEST_RESOLUTION)


def _patch(value: Any) -> Patch:
    return Patch.of(value, named="discriminator.patch")


def _written(value: Sides | str) -> int | str:
    return value.plain if isinstance(value, Sides) else value  # else it is "auto"


ImageResolution = Annotated[
    Resolution,
    PlainValidator(_resolution, json_schema_input_type=int | str),
    PlainSerializer(_written),
]
"""A `Resolution`, written as a number or "96x64"."""

ImagePatch = Annotated[
    Patch,
    PlainValidator(_patch, json_schema_input_type=int | str),
    PlainSerializer(_written),
]
"""A `Patch`, written as a number or "3x5"."""


def _amount(given: Any) -> str:
    if not isinstance(given, str):
        raise ValueError(
            f"run.memory is {shown(given)}, expected a number with its unit. Write for example 8GB, 8GiB or 6000MB."
        )
    bytes_of(given)
    return given


MemoryAmount = Annotated[str, BeforeValidator(_amount)]
"""An amount of memory as `adavit.runtime.amounts.bytes_of` reads it."""


def leaves_open(value: Any) -> bool:
    """Whether a plain value is still to be chosen: "auto", or a list with that word in it, which may have commas."""
    words = value.split(",") if isinstance(value, str) else value
    return isinstance(words, list | tuple) and any(
        isinstance(word, str) and word.strip() == AUTO for word in words
    )


def auto(**bounds: Any) -> Any:
    """A field that a user may leave open; `bounds` are those of `pydantic.Field`."""
    return Field(json_schema_extra=dict(_MAY_BE_OPEN), **bounds)


def schema_types(*names: str) -> dict[str, Any]:
    """What `pydantic.Field` takes as `json_schema_extra` for a field that may be written in several ways.

    Args:
        *names: Types of JSON: of what the field holds, and of what a validator makes that of.
    """
    return {"type": list(names)}


def rule(*needs: str) -> Callable[[Check], Check]:
    """Marks a method as a rule on several fields: it raises ValueError if they do not go together.

    Args:
        *needs: Fields that it reads, dotted below a section. While one of them is open, or does not exist (the
            patch of a ResNet), nothing can be said and the rule is left out.
    """

    def mark(check: Check) -> Check:
        vars(check)["needs"] = needs
        return check

    return mark


class ConfigModel(BaseModel):
    """A frozen section, or a whole configuration: unknown keys and infinities are errors, rules are kept."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    @classmethod
    @functools.cache
    def fields_that_may_be_open(cls) -> tuple[str, ...]:
        """Names of the fields declared by `auto`."""
        fields = cls.model_fields.items()
        return tuple(name for name, info in fields if info.json_schema_extra == _MAY_BE_OPEN)

    def is_known(self, field: str) -> bool:
        """Whether a field, dotted below a section, exists and has its value."""
        section, _, name = field.rpartition(".")
        model = getattr(self, section) if section else self
        value = vars(model).get(name, _ABSENT)
        if _is_auto(value):
            return name not in model.fields_that_may_be_open()
        return value is not _ABSENT

    def given(self, field: str) -> Any:
        """The value of a field, dotted below a section; None while it is left open."""
        return functools.reduce(getattr, field.split("."), self) if self.is_known(field) else None

    @model_validator(mode="before")
    @classmethod
    def _auto_leaves_open(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        open_words = {key for key in cls.fields_that_may_be_open() if _is_auto(values.get(key))}
        return {key: value for key, value in values.items() if key not in open_words}

    @model_validator(mode="before")
    @classmethod
    def _switches_are_no_numbers(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        kinds = cls._kinds_of_fields()
        return {key: _own_kind(value, kinds.get(key, set())) for key, value in values.items()}

    @classmethod
    @functools.cache
    def _kinds_of_fields(cls) -> dict[str, set[Any]]:
        return {key: _plain_types(info.annotation) for key, info in cls.model_fields.items()}

    @model_validator(mode="after")
    def _rules_are_kept(self) -> "ConfigModel":
        broken = []
        for check, needs in _rules_of(type(self)):
            if all(self.is_known(field) for field in needs):
                try:
                    check(self)
                except ValueError as error:
                    broken.append(str(error))
        if broken:
            raise ValueError("\n".join(broken))
        return self


class _Refused:
    """Takes the place of a value that pydantic would turn into one of another kind, and looks like it in messages."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        return repr(self._value)


def _own_kind(value: Any, kinds: set[Any]) -> Any:
    """A value, refused if it is true or false for a number, or a number for those."""
    numbers, switch = not kinds.isdisjoint({int, float}), bool in kinds
    if isinstance(value, bool):
        return _Refused(value) if numbers and not switch else value
    if isinstance(value, int | float):
        return _Refused(value) if switch and not numbers else value
    if isinstance(value, list | tuple) and numbers:
        return [_Refused(each) if isinstance(each, bool) else each for each in value]
    return value


def _plain_types(annotation: Any) -> set[Any]:
    """What an annotation consists of: float and None of `float | None`, of tuples what they hold."""
    parts = get_args(annotation)
    return set().union(*map(_plain_types, parts)) if parts else {annotation}


@functools.cache
def writable(section: type[Model]) -> type[Model]:
    """A section as a user may write it: what may be open is optional, and holds `AUTO` by default."""
    fields: dict[str, Any] = {}
    for name in section.fields_that_may_be_open():
        info = copy.copy(section.model_fields[name])
        info.default = AUTO
        fields[name] = (info.annotation, info)
    return create_model(section.__name__, __base__=section, __doc__=section.__doc__, **fields)


class _AsWritten:
    """Makes pydantic take the writable form of the section that it annotates."""

    def __get_pydantic_core_schema__(
        self, source: type[ConfigModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return handler(writable(source))


def _in_text(path: Path) -> Path:
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"the path {shown(os.fspath(path))} holds bytes that are not UTF-8 text, which files of settings"
            " are; expected a name that is. Rename the file or folder, or choose another."
        ) from None
    return path


UserPath = Annotated[Path, AfterValidator(expand_home), AfterValidator(_in_text)]
"""A path as a user writes it."""

UserSource = Annotated[
    str,
    BeforeValidator(lambda given: os.fspath(given) if isinstance(given, Path) else given),
    AfterValidator(expand_home),
]
"""A path as a user writes it, or a name that stands for data."""


def _readable_budget(given: Any) -> str:
    if not isinstance(given, str):  # 1:30 too, which is a number in YAML
        raise ValueError(
            f"run.budget is {shown(given)}, expected numbers with units. Write for example 90s, 30m, 2h or 1h30m."
        )
    try:
        seconds_in(given)
    except ValueError as error:
        raise ValueError(f"run.budget: {error}") from None
    return given


Budget = Annotated[str, BeforeValidator(_readable_budget)]
"""A span of time as `adavit.runtime.time_spans.seconds_in` reads it."""

Writable = Annotated[Model, _AsWritten()]
"""`Writable[Section]`: the type of a section in what a user writes. Read no open field of it: `resolve` it first."""


@functools.cache
def _rules_of(model: type[ConfigModel]) -> list[tuple[Check, tuple[str, ...]]]:
    return [
        (member, vars(member)["needs"])
        for parent in reversed(model.__mro__)
        for member in vars(parent).values()
        if inspect.isfunction(member) and "needs" in vars(member)
    ]


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == AUTO
