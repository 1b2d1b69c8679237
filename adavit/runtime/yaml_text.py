"""YAML of bounded growth: a few hundred bytes of aliases can stand for more values than a machine can print."""

from typing import Any

import yaml

MAXIMUM_VALUES = 100_000
"""Of a document with its aliases unfolded. A grid of a thousand cells has some thousands."""

MAXIMUM_INTEGER_BITS = 10_000
"""Python refuses to print much longer numbers, which can be written in hexadecimal all the same."""


class TooLarge(yaml.YAMLError):
    """A document that unfolds to more than it may, or contains itself."""


class _BoundedLoader(yaml.SafeLoader):
    """Tags that would build objects are refused, as by its parent, and merged keys are counted."""

    merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Takes merged keys over; called once for each reference to them."""
        super().flatten_mapping(node)
        self.merged += len(node.value)
        if self.merged > MAXIMUM_VALUES:
            raise TooLarge(f"its keys unfold to more than {MAXIMUM_VALUES:,}")

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number that can be printed."""
        value: int = super().construct_yaml_int(node)
        if value.bit_length() > MAXIMUM_INTEGER_BITS:
            raise TooLarge("a number in it has thousands of digits")
        return value


_BoundedLoader.add_constructor("tag:yaml.org,2002:int", _BoundedLoader.construct_yaml_int)


def load_yaml(text: str) -> Any:
    """What a YAML document says: mappings, lists and plain values.

    Raises:
        yaml.YAMLError: If it is not YAML; `TooLarge` if it unfolds to more than `MAXIMUM_VALUES`.
        ValueError: If a value is impossible, such as a date of the 31st of June.
        RecursionError: If it is nested too deeply.
    """
    value = yaml.load(text, _BoundedLoader)
    if _unfolded(value, {}, set()) > MAXIMUM_VALUES:
        raise TooLarge(f"it unfolds to more than {MAXIMUM_VALUES:,} values")
    return value


def _unfolded(value: Any, known: dict[int, int], within: set[int]) -> int:
    """Values in a document, those of an alias each time; each part is looked at once.

    Args:
        value: A part of it.
        known: Counts of the parts seen, by their identity.
        within: Identities of the parts that `value` lies in.
    """
    if not isinstance(value, dict | list):
        return 1
    identity = id(value)
    if identity in within:
        raise TooLarge("it contains itself")
    if identity not in known:
        parts = value.values() if isinstance(value, dict) else value
        inside = within | {identity}
        known[identity] = 1 + sum(_unfolded(part, known, inside) for part in parts)
    return known[identity]
