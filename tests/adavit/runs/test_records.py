import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from adavit.errors import UserError
from adavit.runs.records import (
    best_record,
    check_writable,
    cut_back,
    figures,
    improves,
    is_record,
    parts,
    read_evaluations,
    read_record,
    read_records,
    read_some_records,
    recorded_metric,
)

RECORD: dict[str, Any] = {"images": 8, "fid": 5.0, "fid_floor": 0.1, "protocol": {"n_fake": 9}}


def logged(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_records_are_ordered_by_images_and_need_a_number_of_them(tmp_path: Path) -> None:
    log = logged(
        tmp_path / "log",
        {"images": 16, "p": 2},
        {"images": 8, "p": 1},
        *({"images": wrong} for wrong in (True, "8", 8.0, -1, 2**53, None)),
        [8],
        {"p": 3},
    )
    assert [record["p"] for record in read_records(log)] == [1, 2]
    assert read_records(tmp_path / "nothing") == []


def test_half_a_line_is_passed_over_wherever_a_kill_left_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"images": 8}\n{"images": 1\n{"images": 24}\n{"images": 3')
    assert [record["images"] for record in read_records(log)] == [8, 24]


def test_bytes_that_are_no_text_cost_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b'{"images": 8}\n\xff\xfe\x00\n{"images": 16}\n')
    assert [record["images"] for record in read_records(log)] == [8, 16]


def test_evaluations_are_those_with_a_figure_and_a_protocol(tmp_path: Path) -> None:
    log = logged(tmp_path / "log", RECORD, {"fid": 3}, {"protocol": {}}, {**RECORD, "fid": 4.0})
    assert [record["fid"] for record in read_evaluations(log)] == [5.0, 4.0]


LINES = [
    b'{"images": 8, "p": 1}',
    b'{"images": 16, "p": NaN}',
    b'{"images": 24}',
    b'{"images": 32}',
]
DAMAGE = [
    b'{"images": 16, "p": \xff\xfe}',
    b'{"images": 16, "p": 1',
    b"\x00\x00\x00\x00\x00\x00",
    b'{"imagds": 16}',
    b'{"images": "16"}',
    b'{"images": ' + b"9" * 6000 + b"}",
    b"[" * 99_999,
    b"[16]",
]


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_line_costs_itself_alone_and_is_named(tmp_path: Path, damage: bytes) -> None:
    log = tmp_path / "stats.jsonl"
    log.write_bytes(b"\n".join([LINES[0], damage, *LINES[1:]]) + b"\n")
    assert [record["images"] for record in read_records(log)] == [8, 16, 24, 32]
    said = cut_back(log, 24)
    assert said == (f"Warning: line 2 of {log} is damaged and left out; all others are kept.")
    assert log.read_bytes() == b"\n".join(LINES[:3]) + b"\n"
    assert cut_back(log, 24) == ""


def test_a_few_of_many_damaged_lines_are_named(tmp_path: Path) -> None:
    log = tmp_path / "stats.jsonl"
    log.write_bytes(b"x\n" * 9 + LINES[0] + b"\n")
    assert "lines 1, 2, 3, 4, 5, 6, 7, 8, ... of" in cut_back(log, 24)
    assert log.read_bytes() == LINES[0] + b"\n"


def test_what_a_kill_leaves_of_a_line_is_no_damage(tmp_path: Path) -> None:
    log = tmp_path / "stats.jsonl"
    assert cut_back(log, 8) == ""
    assert not log.exists()
    log.write_bytes(LINES[0] + b"\n\n" + b'{"images": 16, "p')
    assert cut_back(log, 24) == ""
    assert log.read_bytes() == LINES[0] + b"\n"
    log.write_bytes(LINES[0])  # whole, but for the end of the line
    assert cut_back(log, 24) == ""
    assert log.read_bytes() == LINES[0] + b"\n"


def test_a_log_that_cannot_be_read_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "stats.jsonl").mkdir()
    with pytest.raises(OSError, match="stats"):
        cut_back(tmp_path / "stats.jsonl", 8)


@pytest.mark.parametrize(
    ("record", "metric", "name"),
    [
        ({"images": 8, "fid_floor": 1.0, "fid": 5.0, "kid": 1.0}, None, "fid"),
        ({"images": 8, "fd_random": 5.0, "kid_random": 1.0}, "fid", "fd_random"),
        ({"images": 8, "fd_random": 5.0, "kid_random": 1.0}, "kid", "kid_random"),
        ({"images": 8, "kid": 1.0, "kid_subsets_std": 2.0}, "kid_subsets", None),
        ({"images": 8, "fd_infinity_random": 1.0}, "fid", None),
        ({"images": 8, "seconds": 1.0}, None, None),
    ],
)
def test_a_metric_is_found_under_the_name_it_was_recorded_as(
    record: dict[str, Any], metric: str | None, name: str | None
) -> None:
    assert recorded_metric([{}, record], metric) == name
    assert recorded_metric([], metric) is None


@pytest.mark.parametrize(("name", "best"), [("fd_random", 2), ("precision_random", 3)])
def test_the_best_record_is_the_first_of_those_none_improves_on(name: str, best: int) -> None:
    values = [5.0, math.nan, 3.0, 7.0, 3.0, 7.0, math.inf, None, True, "1", 10**400]
    records = [{"images": index, name: value} for index, value in enumerate(values)]
    found = best_record(records, name)
    assert found is not None
    assert found["images"] == best


def test_a_record_of_an_untrained_network_is_the_best_only_where_it_is_the_only_one() -> None:
    first = {"images": 0, "untrained": True, "fid": 5.0, "precision": 0.4}
    later = [{"images": 8, "fid": 7.0, "precision": 0.1}, {"images": 16, "fid": 6.0}]
    assert best_record([first, *later], "fid") == later[1]
    assert best_record([first, *later], "precision") == later[0]
    assert best_record([first, {"images": 8, "fid": math.nan}], "fid") == first
    assert best_record([{**first, "untrained": False}, *later], "fid") == first | {
        "untrained": False
    }


def test_what_was_never_measured_has_no_best_record() -> None:
    assert best_record([], "fid") is None
    assert best_record([{"images": 0, "fid": math.nan}], "fid") is None
    assert best_record([RECORD], "kid") is None
    assert best_record([RECORD], None) is None


@pytest.mark.parametrize(
    ("name", "figure", "before", "better"),
    [
        ("fid", 1.0, 2.0, True),
        ("fid", 2.0, 2.0, False),
        ("precision", 0.4, 0.3, True),
        ("precision", 0.3, 0.4, False),
        ("fid", math.nan, 2.0, False),
        ("fid", -math.inf, 2.0, False),
        ("fid", 2.0, math.nan, True),
    ],
)
def test_a_figure_improves_on_another(
    name: str, figure: float, before: float, better: bool
) -> None:
    assert improves(name, figure, before) is better


def test_scores_of_real_images_and_spreads_are_no_figures() -> None:
    record = {**RECORD, "kid_std": 1.0, "fid_at_floor": 2.0, "kid": 10**400, "precision": True}
    assert figures(record) == {"fid": 5.0}


@pytest.mark.parametrize(
    "value", [None, 3, [], {"fid": 3}, {"fid": 3, "protocol": "x"}, {"fid": "3", "protocol": {}}]
)
def test_what_is_no_record_is_refused_by_its_path(tmp_path: Path, value: object) -> None:
    assert not is_record(value)
    path = logged(tmp_path / "x.json", value)
    with pytest.raises(UserError, match=r"x\.json' is not a record .*no figure with a protocol"):
        read_record(path)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_record(logged(tmp_path / "x.json", RECORD)) == RECORD
    with pytest.raises(UserError, match="No such file"):
        read_record(tmp_path / "nothing.json")
    (tmp_path / "text").write_text("no json")
    with pytest.raises(UserError, match="it is not JSON"):
        read_record(tmp_path / "text")


def test_where_no_record_can_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "record.json")
    for out in (tmp_path, tmp_path / "nothing" / "record.json"):
        with pytest.raises(UserError, match="cannot be written"):
            check_writable(out)
    with pytest.raises(UserError, match=r"^--html '.*' cannot be written"):
        check_writable(tmp_path, flag="--html")


@pytest.mark.parametrize("count", [0, 1, 10, 11, 21, 1000])
def test_a_long_log_is_thinned_evenly_with_both_ends(count: int, tmp_path: Path) -> None:
    log = tmp_path / "stats.jsonl"
    log.write_text("".join(f'{{"images": {number}}}\n' for number in range(count)))
    images = [record["images"] for record in read_some_records(log, 10)]
    if count <= 10:
        assert images == list(range(count))
        return
    assert 6 <= len(images) <= 12
    assert (images[0], images[-1]) == (0, count - 1)
    steps = {after - before for before, after in pairwise(images[:-1])}
    assert len(steps) == 1


def test_a_record_has_parts_of_their_own_protocols() -> None:
    beside = {"fid": 3.0, "protocol": {}}
    assert parts({"fd_random": 1.0}) == [{"fd_random": 1.0}]
    whole = {"fd_random": 1.0, "beside": [beside, 7, None]}
    assert parts(whole) == [whole, beside]
    assert parts({"beside": "odd"}) == [{"beside": "odd"}]
