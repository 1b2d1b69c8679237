import contextlib
import time

import pytest
import yaml

from adavit.runtime.yaml_text import RepeatedKey, TooLarge, load_yaml


def bomb(line: str, levels: int = 9) -> str:
    """Each level names the one below nine times: 9^levels values in some hundred bytes."""
    lines = ["k0: &b0 {x: 1}"]
    for level in range(1, levels + 1):
        names = ",".join([f"*b{level - 1}"] * 9)
        lines.append(f"k{level}: &b{level} {line.format(names)}")
    return "\n".join(lines)


def test_values_come_as_the_safe_loader_gives_them() -> None:
    text = "a: [1, 0x10, 1.5, ~, yes]\nb: &x {c: 2}\nd: *x\ne: {<<: *x, f: 3}\n"
    assert load_yaml(text) == yaml.safe_load(text)
    assert load_yaml("") is None


@pytest.mark.parametrize("line", ["[{}]", "{{y: [{}]}}"])
def test_references_that_unfold_without_end_are_refused_at_once(line: str) -> None:
    started = time.monotonic()
    with pytest.raises(TooLarge, match="100,000"):
        load_yaml(bomb(line))
    assert time.monotonic() - started < 5


def test_keys_that_are_merged_over_and_over_end_at_once() -> None:
    started = time.monotonic()
    with contextlib.suppress(
        TooLarge
    ):  # of older versions of PyYAML; newer ones take each key once
        assert load_yaml(bomb("{{<<: [{}]}}"))["k9"] == {"x": 1}
    assert time.monotonic() - started < 5


def test_some_references_are_fine() -> None:
    assert load_yaml(bomb("[{}]", levels=3))["k1"] == [{"x": 1}] * 9


def test_a_document_that_contains_itself_is_refused() -> None:
    with pytest.raises(TooLarge, match="contains itself"):
        load_yaml("&a [*a]")


def test_numbers_that_cannot_be_printed_are_refused() -> None:
    assert load_yaml("0x" + "f" * 400) == 16**400 - 1
    with pytest.raises(TooLarge, match="thousands of digits"):
        load_yaml("0x" + "f" * 6000)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("data: {mirror: true}\nrun: {}\ndata: {subset: 5}\n", "'data' twice, at lines 1 and 3"),
        ("training:\n  batch: 8\n  r1_gamma: 1\n  batch: 16\n", "'batch' twice, at lines 2 and 4"),
        ("training: {batch: 8, batch: 8}", "'batch' twice, at lines 1 and 1"),
        ("extra:\n- {operation: a, 'operation': b}", "'operation' twice, at lines 2 and 2"),
        ("a: &x {b: 1, c: 2, b: 3}\nd: {<<: *x}", "'b' twice, at lines 1 and 1"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(RepeatedKey, match=f"^the key {wrong}$"):
        load_yaml(text)


def test_a_key_may_stand_over_one_that_is_merged() -> None:
    text = (
        "a: &x {c: 1}\nb: &y {<<: *x, c: 2}\nd: {<<: *y, c: 3}\ne: {<<: [*x, *y]}\n1: f\n'1': g\n"
    )
    expected = {"a": {"c": 1}, "b": {"c": 2}, "d": {"c": 3}, "e": {"c": 1}, 1: "f", "1": "g"}
    assert load_yaml(text) == expected
