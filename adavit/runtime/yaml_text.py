"""YAML of bounded growth: a few hundred bytes of aliases can stand for more values than a machine can print."""

from typing import Any

import yaml

MAXIMUM_VALUES = 100_000
"""Of a document with its aliases unfolded. A grid of a thousand cells has some thousands."""

MAXIMUM_INTEGER_BITS = 10_000
"""Python refuses to print much longer numbers, which can be written in hexadecimal all the same."""


_MERGE = "tag:yaml.org,2002:merge"
"""Of the key <<, which may name several mappings."""


class TooLarge(yaml.YAMLError):
    """A document that unfolds to more than it may, or contains itself."""


class RepeatedKey(yaml.YAMLError):
    """A mapping has a key twice, of which the first would be lost.

    Args:
        key: As it is written.
        lines: Numbers of the lines of both, from 1.
    """

    def __init__(self, key: str, lines: tuple[int, int]) -> None:
        super().__init__(f"the key {key!r} twice, at lines {lines[0]} and {lines[1]}")


class _BoundedLoader(yaml.SafeLoader):
    """Refuses tags that would build objects, as its parent does, and repeated keys; merged keys are counted."""

    merged = 0

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping as it is written, before others are merged into it, which may well have the same keys."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        met: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in met:
                raise RepeatedKey(key.value, (met[name], line))
            met[name] = line
        return node

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
        yaml.YAMLError: If it is not YAML; `TooLarge` if it unfolds to more than `MAXIMUM_VALUES`; `RepeatedKey` if a
            mapping has a key twice.
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
