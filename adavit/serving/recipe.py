"""What the page asks to be drawn: a recipe, as the query of its requests says it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qsl

from adavit.errors import UserError, shown
from adavit.styles.numbers import IMAGE_SEED_END, whole_number

REACH = 5.0
"""How far the page steps along a direction to either side, in standard deviations of styles."""

LARGEST_TRUNCATION = 2.0
"""As `--truncation` of the commands."""

_NUMBER = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,6})?")


@dataclass(frozen=True)
class Offer:
    """What there is to choose from.

    Attributes:
        layers: Number of styles that an image is made of.
        classes: Numbers of the classes that can be drawn.
        directions: How many directions there are.
    """

    layers: int
    classes: tuple[int, ...]
    directions: int


@dataclass(frozen=True)
class Recipe:
    """How an image is made.

    Attributes:
        seed: Of latent, noise, and class where that is not named.
        class_index: Of both seeds; None draws it by the seed.
        truncation: 1 is none.
        other: The seed that some layers' styles come from; None mixes nothing.
        layers: Numbers of these layers, rising.
        amounts: Steps along directions: the number of each, and how far in standard deviations.
    """

    seed: int
    class_index: int | None = None
    truncation: float = 1.0
    other: int | None = None
    layers: tuple[int, ...] = ()
    amounts: tuple[tuple[int, float], ...] = ()

    @classmethod
    def parse(cls, query: str, offer: Offer) -> Self:
        """A recipe of a query, such as "seed=3&truncation=0.7&other=8&layers=0,1&amounts=0:1.5,2:-1".

        Args:
            query: Any text. Only `seed` is needed.
            offer: What may be asked for.

        Raises:
            UserError: If anything in it is not as expected.
        """
        readers: dict[str, Callable[[str], Any]] = {
            "seed": _seed,
            "class": lambda text: _one_of(offer.classes, text),
            "truncation": lambda text: _number(text, 0.0, LARGEST_TRUNCATION),
            "other": _seed,
            "layers": lambda text: _layers(text, offer.layers),
            "amounts": lambda text: _amounts(text, offer.directions),
        }
        try:
            pairs = parse_qsl(
                query,
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=len(readers),
            )
        except ValueError:
            raise _refused("a query", query, "names and values") from None
        found: dict[str, Any] = {}
        for name, text in pairs:
            if name not in readers or name in found:
                raise _refused("a name", name, f"each of {', '.join(readers)} at most once")
            try:
                found[name] = readers[name](text)
            except ValueError as error:
                raise _refused(name, text, str(error)) from None
        if "seed" not in found:
            raise _refused("a query", query, "a seed")
        if "layers" in found and "other" not in found:
            raise _refused("layers", query, "the other seed that their styles come from")
        found["class_index"] = found.pop("class", None)
        return cls(**found)


def _refused(name: str, text: str, expected: str) -> UserError:
    return UserError(f"{name} is {shown(text)}, expected {expected}. Correct it.")


def _seed(text: str) -> int:
    number = whole_number(text, IMAGE_SEED_END)
    if number is None:
        raise ValueError("a whole number below 2^64")
    return number


def _one_of(numbers: tuple[int, ...], text: str) -> int:
    number = whole_number(text)
    if number not in numbers:
        raise ValueError("the number of a class" if numbers else "none: there are no classes")
    return number


def _number(text: str, least: float, most: float) -> float:
    if _NUMBER.fullmatch(text) is None or not least <= float(text) <= most:
        raise ValueError(f"a number from {least:g} to {most:g}")
    return float(text)


def _layers(text: str, count: int) -> tuple[int, ...]:
    parts = text.split(",", maxsplit=count) if text else []
    numbers = {number for part in parts if (number := whole_number(part, count)) is not None}
    if len(numbers) < len(parts):
        raise ValueError(f"numbers of layers below {count}, each once")
    return tuple(sorted(numbers))


def _amounts(text: str, count: int) -> tuple[tuple[int, float], ...]:
    found: dict[int, float] = {}
    for part in text.split(",", maxsplit=count) if text else ():
        number, _, far = part.partition(":")
        direction = whole_number(number, count)
        if direction is None or direction in found:
            raise ValueError(f"NUMBER:AMOUNT with numbers of directions below {count}, each once")
        found[direction] = _number(far, -REACH, REACH)
    return tuple(sorted(found.items()))
