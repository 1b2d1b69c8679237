"""Sections: open fields, rules, and what is never taken."""

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from adavit.config.augment import AugmentConfig
from adavit.config.layers import build_config, parse_assignment, parse_yaml
from adavit.config.section import (
    AUTO,
    ConfigModel,
    UserSource,
    Writable,
    auto,
    leaves_open,
    rule,
    writable,
)
from adavit.errors import UserError


class Inner(ConfigModel):
    """A section."""

    low: int = auto(ge=0)
    """Lower."""
    high: int = auto(ge=0)
    """Higher."""
    name: str = Field("auto")
    """A word of its own, which is no open field."""

    @rule("low", "high")
    def _ordered(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low is {self.low}, above {self.high}.")

    @rule("high")
    def _even(self) -> None:
        if self.high % 2:
            raise ValueError(f"high is {self.high}, which is odd.")


class Other(ConfigModel):
    """A section without those fields."""

    width: int = Field(1)
    """Width."""


class Written(ConfigModel):
    """What a user writes."""

    inner: Writable[Inner] = writable(Inner)()
    other: Writable[Other] = writable(Other)()

    @rule("inner.low", "other.width", "other.absent")
    def _never_reached(self) -> None:
        raise AssertionError("a field that does not exist was read")

    @rule("inner.low", "other.width")
    def _wide(self) -> None:
        if self.inner.low > self.other.width:
            raise ValueError("low is above the width.")


def mistakes(model: type[ConfigModel], **values: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return [
        str(error.get("ctx", {}).get("error", error["type"])) for error in caught.value.errors()
    ]


class Kinds(ConfigModel):
    """A field of each kind."""

    whole: int = Field(0)
    """A whole number."""
    open: float | None = Field(None)
    """A number or None."""
    several: tuple[float, ...] = Field(())
    """Numbers."""
    switch: bool = Field(False)
    """No number."""
    either: bool | float = Field(False)
    """Both."""
    word: str = Field("")
    """Neither."""


def test_a_section_as_a_run_holds_it_has_every_value() -> None:
    assert mistakes(Inner) == ["missing", "missing"]
    assert mistakes(Inner, low=AUTO, high=2) == ["missing"]
    assert Inner(low=1, high=2).name == "auto"


def test_a_section_as_it_is_written_leaves_open_what_may_be() -> None:
    section = writable(Inner).model_validate({"low": AUTO, "name": AUTO})
    assert (section.low, section.high, section.name) == (AUTO, AUTO, AUTO)
    assert [section.is_known(field) for field in ("low", "high", "name", "none")] == [
        False,
        False,
        True,
        False,
    ]
    assert section.given("low") is None
    assert section.given("name") == "auto"
    assert writable(Inner) is writable(Inner)
    assert isinstance(section, Inner)


@pytest.mark.parametrize(
    ("value", "is_open"),
    [
        *((value, True) for value in ("auto", ["auto"], ("random", "auto"), "auto,random")),
        *((value, True) for value in ("random, auto", "auto,")),
        *((value, False) for value in ("automatic", "random", ["random", 1], [], "", None, 3)),
    ],
)
def test_a_list_leaves_open_in_all_ways_of_writing_it(value: object, is_open: bool) -> None:
    assert leaves_open(value) == is_open


def test_a_rule_waits_until_all_that_it_needs_is_known() -> None:
    writable(Inner).model_validate({"low": 5})
    assert mistakes(writable(Inner), high=3) == ["high is 3, which is odd."]
    assert mistakes(writable(Inner), low=5, high=3) == [
        "low is 5, above 3.\nhigh is 3, which is odd."
    ]
    assert mistakes(Inner, low=5, high=4) == ["low is 5, above 4."]


def test_rules_reach_into_sections() -> None:
    Written.model_validate({"other": {"width": 0}})
    Written.model_validate({"inner": {"low": 1, "high": 2}})
    assert mistakes(Written, inner={"low": 2, "high": 2}) == ["low is above the width."]


def test_bounds_hold_for_what_is_given() -> None:
    assert mistakes(writable(Inner), low=-1) == ["greater_than_equal"]
    assert mistakes(writable(Inner), low=float("inf")) == ["finite_number"]
    assert mistakes(Other, width=1, height=2) == ["extra_forbidden"]
    with pytest.raises(ValidationError):
        Other(width=1).width = 3


def test_data_may_be_named_by_a_path_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    class Place(ConfigModel):
        source: UserSource

    monkeypatch.setenv("HOME", "/home/me")
    assert Place(source=Path("~/pics")).source == "/home/me/pics"  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Place(source=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value", "mistake"),
    [
        ("whole", True, "int_type"),
        ("open", False, "float_type"),
        ("several", [0.5, True], "float_type"),
        ("several", (True,), "float_type"),
        ("switch", 1, "bool_type"),
        ("switch", 0.0, "bool_type"),
    ],
)
@pytest.mark.parametrize("model", [Kinds, writable(Kinds)])
def test_true_is_no_number_and_a_number_is_not_true(
    model: type[ConfigModel], field: str, value: object, mistake: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({field: value})
    (error,) = caught.value.errors()
    assert error["type"] == mistake
    assert error["loc"][0] == field
    wrong = value[error["loc"][1]] if isinstance(value, list | tuple) else value
    assert repr(error["input"]) == repr(wrong)


def test_what_is_of_its_own_kind_is_taken() -> None:
    given = {"whole": 1, "open": 0, "several": [1, 0.5], "switch": "yes", "word": "1"}
    taken = Kinds.model_validate(given)
    assert (taken.whole, taken.open, taken.several) == (1, 0.0, (1.0, 0.5))
    assert taken.switch is True
    assert Kinds(either=True).either is True
    assert Kinds(either=2.0).either == 2.0


@pytest.mark.parametrize("word", ["yes", "no", "on", "true", "false"])
def test_a_switch_given_for_a_number_is_refused_wherever_it_comes_from(word: str) -> None:
    switch = word in ("yes", "on", "true")
    refused = rf"augment\.rotate is {switch}, expected a number\."
    with pytest.raises(UserError, match=refused):
        build_config([parse_assignment(f"augment.rotate={word}")])
    with pytest.raises(UserError, match=refused):
        build_config([parse_yaml(f"augment: {{rotate: {word}}}", "--config")])
    with pytest.raises(ValidationError, match="valid number"):
        AugmentConfig(rotate=switch)
