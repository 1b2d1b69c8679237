import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from adavit.runs import reading
from adavit.runs.reading import (
    flat_settings,
    json_object,
    mapping,
    mean_of_known,
    number,
    read_bytes,
    read_json,
    read_text,
    read_weights_metadata,
    read_yaml,
    resolution_of,
    text,
    weights_metadata,
)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff\xfe", b"[" * 99_999])
def test_what_is_no_object_of_json_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert read_json(tmp_path / "a") == {}
    assert json_object(content.decode(errors="replace")) == {}


@pytest.mark.parametrize(
    "content", [b"", b"a: [", b"3", b"\x00", b"\xff", b"!!python/name:os.system"]
)
def test_what_is_no_mapping_of_yaml_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert read_yaml(tmp_path / "a") == {}


def test_folders_and_what_is_absent_are_empty(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        assert read_text(path) is None
        assert read_json(path) == read_yaml(path) == {}


def test_what_is_sound_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"a": {"ä": 1}}')
    assert read_json(tmp_path / "a") == read_yaml(tmp_path / "a") == {"a": {"ä": 1}}
    assert json_object('{"a": {"ä": 1}}') == {"a": {"ä": 1}}


def test_descriptions_beyond_the_limit_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAXIMUM_BYTES", 20)
    (tmp_path / "a").write_text('{"images": 1}\n{"images": 2}\n')
    assert read_text(tmp_path / "a") is None


def test_files_without_an_end_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "device").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    for name in ("device", "pipe"):
        assert read_bytes(tmp_path / name, 99) is None
        assert read_text(tmp_path / name) is None
        assert read_weights_metadata(tmp_path / name) == {}
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert read_bytes(tmp_path / "link", 3) == b"abc"
    assert read_bytes(tmp_path / "link", 2) is None


def test_a_file_of_weights_tells_of_itself_without_its_tensors(tmp_path: Path) -> None:
    save_file({"w": np.zeros((3, 5))}, tmp_path / "a", {"images": "8", "ä": "ö"})
    assert read_weights_metadata(tmp_path / "a") == {"images": "8", "ä": "ö"}
    assert weights_metadata((tmp_path / "a").read_bytes()) == {"images": "8", "ä": "ö"}
    save_file({"w": np.zeros(3)}, tmp_path / "a")
    assert read_weights_metadata(tmp_path / "a") == {}
    whole = (tmp_path / "a").read_bytes()
    for damaged in (b"", whole[:4], whole[:20], b"\xff" * 99, b"\2\0\0\0\0\0\0\0[]"):
        (tmp_path / "a").write_bytes(damaged)
        assert read_weights_metadata(tmp_path / "a") == {}


def test_keys_that_are_no_text_are_no_settings() -> None:
    assert flat_settings({"a": {int("f" * 5000, 16): 1, "b": 2}, 3: {"c": 1}}) == {"a.b": 2}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1.0), (2.5, 2.5), *((v, None) for v in (True, "1", None, math.nan, math.inf, 10**400))],
)
def test_a_number_is_finite_and_no_truth_value(value: Any, expected: float | None) -> None:
    assert number(value) == expected


def test_a_mean_is_that_of_what_is_known() -> None:
    assert mean_of_known([None, 1.0, 4.0, None]) == 2.5
    assert mean_of_known([None]) is mean_of_known([]) is None


def test_other_types_are_nothing() -> None:
    assert (text("a"), text(3), mapping({"a": 1}), mapping([1])) == ("a", "", {"a": 1}, {})


def test_settings_are_flat_and_keep_their_values() -> None:
    sections = {"data": {"mirror": True, "subset": None}, "a": {"b": [1, "c"]}, "loose": 3}
    assert flat_settings(sections) == {"data.mirror": True, "data.subset": None, "a.b": [1, "c"]}


def test_nested_settings_are_one_line_each_and_differ_where_they_do() -> None:
    one, other = (flat_settings({"a": {"b": [{"name": "x", "p": p}]}})["a.b"] for p in (0.1, 0.2))
    assert json.loads(one) == [{"name": "x", "p": 0.1}]
    assert one != other


@pytest.mark.parametrize(
    "content",
    [
        "a: {b: &x [*x]}",
        "a: {b: {c: &x {d: *x}}}",
        "x: &x [1, 1, 1, 1, 1, 1, 1, 1]\ny: &y [*x, *x, *x, *x, *x, *x, *x, *x]\n"
        "z: &z [*y, *y, *y, *y, *y, *y, *y, *y]\na: {b: [*z, *z, *z, *z, *z, *z, *z, *z]}",
    ],
    ids=["circle", "circle of mappings", "billion laughs"],
)
def test_settings_that_would_be_endless_are_not_printed(content: str) -> None:
    assert flat_settings(yaml.safe_load(content)) == {"a.b": "(too large to show)"}


def test_a_resolution_is_one_that_networks_can_have() -> None:
    assert resolution_of("24x40") == (24, 40)
    assert resolution_of(64) == (64, 64)
    for other in (None, 0, -8, 7, True, 1e3, "", "x", "24x41", "9" * 99, [24], {}, float("nan")):
        assert resolution_of(other) is None
