import json
from pathlib import Path
from typing import Any

import pytest

from adavit.errors import UserError
from adavit.evaluation.compare import NOT_RANKED, NOTHING_COMPARES, compare
from adavit.evaluation.evaluate import evaluate
from adavit.generation.generate import generate
from adavit.report.tabulation import metric_columns
from adavit.runs.records import figures, is_record, read_evaluations
from adavit.runtime.files import write_json
from tests.adavit.evaluation import runs
from tests.adavit.evaluation.runs import CLASS_SIZES, draw
from tests.stored_generators import store_generator

PROTOCOL: dict[str, Any] = {
    "extractor": "inception",
    "weights_digest": "6" * 64,
    "n_fake": 5000,
    "n_real": 2000,
    "reference_fingerprint": "f" * 64,
    "truncation": 1.0,
    "settings": {"fid": "all", "kid": "all"},
    "seed": 0,
}


SQUEEZENET = "torchvision:squeezenet1_1 0123456789abcdef"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def record(fid: float, kid: float | None = None, **protocol: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"images": 8, "fid": fid, "fid_floor": 0.1, "seconds": 2.0}
    if kid is not None:
        found["kid"] = kid
    return {**found, "protocol": PROTOCOL | protocol}


def write(name: str, content: dict[str, Any]) -> str:
    write_json(Path(name), content)
    return name


def make_run(name: str, **logs: list[dict[str, Any]]) -> str:
    Path(name).mkdir()
    (Path(name) / "config.yaml").write_text("")
    for log, records in logs.items():
        lines = "".join(json.dumps(each) + "\n" for each in records)
        (Path(name) / f"{log}.jsonl").write_text(lines)
    return name


def test_one_protocol_is_one_column_whatever_the_seed() -> None:
    sources = [write("a.json", record(5.0, 0.1)), write("b.json", record(4.0, seed=3))]
    found = compare(sources)
    assert [(c.name, c.protocol, c.values) for c in found.columns] == [
        ("fid", "5000 vs 2000", (5.0, 4.0)),
        ("kid", "5000 vs 2000", (0.1, None)),
    ]
    assert found.sources == ("a.json", "b.json")
    assert found.notes == ()
    assert [column.letter for column in found.columns] == ["", ""]


def test_two_protocols_are_two_columns_and_every_difference_is_named() -> None:
    a = write("a.json", record(5.0, 0.1, reference="flowers"))
    other = {"n_fake": 50_000, "weights_digest": "7" * 64, "reference_fingerprint": "e" * 64}
    b = write("b.json", record(4.0, 0.2, reference="cats", seed=9, **other))
    found = compare([a, b])
    assert [(c.name, c.letter, c.protocol, c.values) for c in found.columns] == [
        ("fid", "A", "5000 vs 2000 of flowers", (5.0, None)),
        ("fid", "B", "50000 vs 2000 of cats", (None, 4.0)),
        ("kid", "A", "5000 vs 2000 of flowers", (0.1, None)),
        ("kid", "B", "50000 vs 2000 of cats", (None, 0.2)),
    ]
    difference, advice = found.notes
    assert difference == (
        "fid, kid [B] differs from [A] in reference cats (not flowers), n_fake 50000 (not 5000),"
        " reference_fingerprint eeeeeeeeeeee... (not ffffffffffff...),"
        " weights_digest 777777777777... (not 666666666666...)"
    )
    assert advice == f"fid, kid: {NOTHING_COMPARES}"


def test_a_run_is_not_held_against_itself() -> None:
    run = make_run("R", evaluations=[record(9.0), record(6.0, n_fake=50_000), record(8.0)])
    alone = compare([run])
    assert [(c.letter, c.values) for c in alone.columns] == [("A", (8.0,)), ("B", (6.0,))]
    assert alone.notes == ("fid [B] differs from [A] in n_fake 50000 (not 5000)",)
    other = make_run("S", evaluations=[record(7.0, n_real=10)])
    both = compare([run, other])
    assert [c.values for c in both.columns] == [(8.0, None), (6.0, None), (None, 7.0)]
    assert [note.partition(" in ")[2] for note in both.notes[:2]] == [
        "n_fake 50000 (not 5000)",
        "n_real 10 (not 2000)",
    ]


def of_generator(which: str, fid: float, **protocol: Any) -> dict[str, Any]:
    return record(fid, **protocol) | {"source": {"generator": f"generator-{which}.safetensors"}}


def test_the_best_generator_of_one_run_and_the_last_of_another_share_no_column() -> None:
    best, last = of_generator("best", 8.0), of_generator("last", 30.0)
    a = make_run("a", evaluations=[best, last])
    b = make_run("b", evaluations=[of_generator("best", 9.0)])
    found = compare([a, b])
    assert [(c.letter, c.protocol, c.values) for c in found.columns] == [
        ("A", "5000 vs 2000", (8.0, 9.0)),
        ("B", "5000 vs 2000, last generator", (30.0, None)),
    ]
    assert found.notes == ("fid [B] differs from [A] in generator last (not best)",)
    c = make_run("c", evaluations=[of_generator("last", 20.0, n_fake=50_000)])
    assert [c.values for c in compare([b, c]).columns] == [(9.0, None), (None, 20.0)]
    assert compare([b, c]).notes == (
        "fid [B] differs from [A] in n_fake 50000 (not 5000), generator last (not best)",
        f"fid: {NOTHING_COMPARES}",
    )
    # What was never evaluated has the figure of its best generator.
    d, e = make_run("d", metrics=[record(7.0)]), make_run("e", evaluations=[last])
    mixed = compare([d, e])
    assert [c.values for c in mixed.columns] == [(7.0, None), (None, 30.0)]
    assert mixed.notes == ("fid [B] differs from [A] in generator last (not best)",)


def test_images_stand_beside_the_generators_of_either_kind() -> None:
    """They are of no run that had a choice."""
    images = write("images.json", record(5.0))
    runs_of = {
        which: make_run(which, evaluations=[of_generator(which, 8.0)]) for which in ("best", "last")
    }
    for which, run in runs_of.items():
        (column,) = compare([run, images]).columns
        assert column.values == (8.0, 5.0)
        assert column.protocol == "5000 vs 2000" + ", last generator" * (which == "last")
    together = compare([images, *runs_of.values()])
    assert [c.values for c in together.columns] == [(5.0, 8.0, None), (None, None, 8.0)]


def test_a_column_names_no_real_images_that_its_figures_do_not_compare_with() -> None:
    sides = {"flowers": 100, "cars": 9000}
    files = [
        write(
            f"{name}.json",
            record(5.0, n_fake=50, reference=name, n_real=count, split="train") | {"is": 2.0},
        )
        for name, count in sides.items()
    ]
    found = compare(files)
    shown = {(c.name, c.protocol): c.values for c in found.columns}
    assert shown == {
        ("fid", "50 vs 100 of flowers, train"): (5.0, None),
        ("fid", "50 vs 9000 of cars, train"): (None, 5.0),
        ("is", "50 fakes"): (2.0, 2.0),
    }


def test_conditional_and_unconditional_figures_have_columns_of_their_own() -> None:
    a = write("a.json", record(5.0, labels=None))
    b = write("b.json", record(4.0, labels="training images"))
    found = compare([a, b])
    assert [column.values for column in found.columns] == [(5.0, None), (None, 4.0)]
    assert "labels training images (not None)" in found.notes[0]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"seed": 3},
        {"name": "quick5k"},
        {"labels": "training images"},
        {"labels": None},
        {"n_real": 1999},
        {"truncation": 0.7},
        {"truncation": 1},
        {"settings": {"fid": "all", "kid": "half"}},
        {"settings": {"fid": "half", "kid": "all"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["fid", "kid"])
def test_the_report_and_the_comparison_part_the_same_figures(
    change: dict[str, Any], name: str
) -> None:
    first, second = record(5.0, 0.1), record(4.0, 0.2, **change)
    keys = [
        {c.name: c.key for c, _ in metric_columns(each, "last", "")}[name]
        for each in (first, second)
    ]
    sources = [write("a.json", {**first}), write("b.json", {**second})]
    columns = [each for each in compare(sources).columns if each.name == name]
    assert (keys[0] == keys[1]) is (len(columns) == 1)


def test_the_protocol_that_most_share_comes_first() -> None:
    sources = [
        write("b.json", record(4.0, n_fake=50_000, name="train50k")),
        write("a.json", record(5.0)),
        write("c.json", record(3.0)),
    ]
    found = compare(sources)
    assert [(column.protocol, column.values) for column in found.columns] == [
        ("5000 vs 2000", (None, 5.0, 3.0)),
        ("train50k: 50000 vs 2000", (4.0, None, None)),
    ]
    assert found.notes == ("fid [B] differs from [A] in n_fake 50000 (not 5000)",)


def test_a_run_with_several_protocols_shows_the_one_in_common_first() -> None:
    few, many = record(9.0), record(6.0, n_fake=50_000)
    sources = [
        make_run("a", evaluations=[many, few]),
        make_run("b", evaluations=[few | {"fid": 8.0}]),
    ]
    found = compare(sources)
    assert [(c.protocol, c.values) for c in found.columns] == [
        ("5000 vs 2000", (9.0, 8.0)),
        ("50000 vs 2000", (6.0, None)),
    ]


def test_of_two_records_under_one_protocol_the_latest_counts() -> None:
    (column,) = compare([make_run("a", evaluations=[record(9.0), record(7.0, seed=1)])]).columns
    assert column.values == (7.0,)


def test_a_run_that_was_never_evaluated_has_its_best_record() -> None:
    log = [record(9.0, 0.3), record(7.0, 0.2), record(8.0, 0.1)]
    found = compare([make_run("a", metrics=log)])
    assert [(c.name, c.values) for c in found.columns] == [("fid", (7.0,)), ("kid", (0.2,))]


def test_why_evaluations_of_an_earlier_generator_are_not_shown_stands_below_the_table() -> None:
    best = "generator-best.safetensors"
    of_another = record(30.0) | {"source": {"generator": best, "fingerprint": "ab" * 32}}
    run = make_run("a", evaluations=[of_another], metrics=[record(8.0)])
    store_generator(Path(run) / best)
    found = compare([run, write("b.json", record(9.0))])
    assert [column.values for column in found.columns] == [(8.0, 9.0)]
    assert found.notes == (
        "Training of a went on after it was measured, so what was found of its earlier generators is left out."
        " To find it anew: adavit evaluate a --which best.",
    )


def test_broken_lines_of_a_log_are_passed_over() -> None:
    run = Path(make_run("a", evaluations=[record(9.0)]))
    log = run / "evaluations.jsonl"
    deep = "[" * 100_000
    log.write_text(log.read_text() + f'{{"fid": 3\n{deep}\n[1]\n' + json.dumps(record(5.0)) + "\n")
    assert [each["fid"] for each in read_evaluations(log)] == [9.0, 5.0]


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        [],
        {},
        {"fid": 3},
        {"protocol": {}},
        {"fid": 3, "protocol": "x"},
        {"fid": "3", "protocol": {}},
        {"fid": float("nan"), "protocol": {}},
        {"fid": True, "protocol": {}},
        {"fid_floor": 1.0, "protocol": {}},
    ],
)
def test_what_is_no_record_is_no_record(value: object) -> None:
    assert not is_record(value)
    Path("x.json").write_text(json.dumps(value))
    with pytest.raises(UserError, match=r"'x.json' is not a record .*it has no figure"):
        compare(["x.json"])


def test_the_scores_of_real_images_are_no_figures_of_the_source() -> None:
    assert figures(record(5.0, 0.1) | {"kid_subsets_std": 1.0}) == {"fid": 5.0, "kid": 0.1}


def test_foreign_sources_are_an_error_that_names_them() -> None:
    make_run("empty")
    Path("folder").mkdir()
    Path("text.json").write_text("not json")
    Path("bytes.json").write_bytes(b"\xff\xfe\x00")
    cases = [
        ("nothing.json", "No such file"),
        ("text.json", "it is not JSON"),
        ("bytes.json", "it is not JSON"),
        ("empty", "'empty' has no record of a metric"),
        ("folder", "is not a run directory"),
    ]
    for source, message in cases:
        with pytest.raises(UserError, match=message):
            compare([source])
    a = write("a.json", record(5.0))
    with pytest.raises(UserError, match=r"'a\.json' is named twice"):
        compare([a, a])


def test_records_with_odd_protocols_compare_without_a_crash() -> None:
    odd = {"fid": 3.0, "protocol": {"settings": 7, "n_fake": [1], "name": {"a": 1}}}
    found = compare([write("a.json", odd), write("b.json", record(5.0))])
    assert [column.values for column in found.columns] == [(3.0, None), (None, 5.0)]


def marked(fid: float, **protocol: Any) -> dict[str, Any]:
    seen = {"discriminator_saw": [SQUEEZENET], "extractor_learned_from": "ImageNet"}
    return record(fid, **{**seen, **protocol})


def test_flattered_figures_are_not_ranked_with_others_unless_asked_for() -> None:
    plain = write("plain.json", record(9.0, extractor_learned_from="ImageNet"))
    sources = [plain, write("features.json", marked(5.0))]
    apart = compare(sources)
    assert [(c.letter, c.values, c.flattered) for c in apart.columns] == [
        ("A", (9.0, None), (False, False)),
        ("B", (None, 5.0), (False, True)),
    ]
    assert apart.marks == ("", "pretrained features")
    assert apart.notes[:2] == (
        "fid [B] differs from [A] in flattering network torchvision:squeezenet1_1 01234567 (not none)",
        f"fid: {NOT_RANKED}",
    )
    assert apart.notes[2].startswith("pretrained features: ")
    (ranked,) = compare(sources, anyway=True).columns
    assert (ranked.values, ranked.flattered) == ((9.0, 5.0), (False, True))
    assert compare(sources, anyway=True).marks == apart.marks


def test_what_stands_in_one_column_anyway_is_no_difference_of_columns() -> None:
    plain = {"extractor_learned_from": "ImageNet"}
    sources = [
        write("features.json", marked(5.0)),
        write("plain.json", record(9.0, **plain)),
        write("few.json", record(8.0, n_fake=9, **plain)),
    ]
    found = compare(sources, anyway=True)
    assert [column.values for column in found.columns] == [(5.0, 9.0, None), (None, None, 8.0)]
    assert found.notes[0].startswith("fid [B] differs from [A] in n_fake 9 (not ")


def test_figures_that_other_networks_flatter_are_not_ranked_together_either() -> None:
    other = marked(4.0, discriminator_saw=["torchvision:resnet18 89ab"])
    sources = [write("a.json", marked(5.0)), write("b.json", other)]
    assert len(compare(sources).columns) == 2
    assert compare([sources[0], write("c.json", marked(6.0))]).columns[0].values == (5.0, 6.0)
    assert len(compare(sources, anyway=True).columns) == 1


def test_figures_of_random_features_stand_side_by_side_marked_or_not() -> None:
    random = {"extractor": "random", "extractor_learned_from": "nothing"}
    saw = {"discriminator_saw": [SQUEEZENET]}
    a = {"fd_random": 2.0, "protocol": PROTOCOL | random}
    b = {"fd_random": 1.0, "protocol": PROTOCOL | random | saw}
    found = compare([write("a.json", a), write("b.json", b)])
    assert [(c.letter, c.values) for c in found.columns] == [("", (2.0, 1.0))]
    assert found.columns[0].flattered == (False, False)
    assert found.marks == ("", "pretrained features")


def test_figures_that_stand_beside_others_are_compared_too() -> None:
    saw = {"discriminator_saw": [SQUEEZENET]}
    random = PROTOCOL | saw | {"extractor": "random", "extractor_learned_from": "nothing"}
    beside = [marked(5.0)]
    run = make_run(
        "R", metrics=[{"images": 8, "fd_random": 2.0, "protocol": random, "beside": beside}]
    )
    found = compare([run, write("b.json", marked(6.0))])
    assert [(c.name, c.values) for c in found.columns] == [
        ("fd_random", (2.0, None)),
        ("fid", (5.0, 6.0)),
    ]


def test_images_of_which_nothing_is_known_say_so() -> None:
    unknown = record(
        7.0, discriminator_saw="unknown", extractor_learned_from="ImageNet", truncation=None
    )
    sources = [write("drawn.json", unknown), write("b.json", record(5.0))]
    found = compare(sources)
    assert found.columns[0].values == (7.0, 5.0)
    assert found.marks == ("unknown discriminator", "")
    assert found.notes[-1].startswith("unknown discriminator: no record says what judged")
    assert len(compare([sources[0], write("m.json", marked(4.0))]).columns) == 2


def test_a_run_and_a_folder_of_its_images_stand_in_one_column() -> None:
    real = str(draw(Path("real"), CLASS_SIZES, seed=1))
    run = str(runs.make_run(Path("run"), Path(real)))
    generate(run, range(20), "drawn")

    def evaluated(source: str, name: str, **given: float) -> str:
        found = evaluate(source, data=real, fakes=20, extractor="random", **given)
        return write(name, found)

    files = [evaluated(run, "run.json"), evaluated("drawn", "drawn.json")]
    assert json.loads(Path("drawn.json").read_text())["protocol"]["truncation"] is None
    together = compare(files)
    assert {column.name for column in together.columns} >= {"fd_random", "kid_random"}
    assert not any(None in column.values for column in together.columns)
    truncated = evaluated(run, "truncated.json", truncation=0.5)
    notes = [compare([truncated, other]).notes[0] for other in files]
    assert [note.partition(": ")[0].partition("truncation ")[2] for note in notes] == [
        "1.0 (not 0.5)",
        "not known, taken as 1 (not 0.5)",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "generated by runs/0000{}-small_set-resnet-bgc",
        "generated by /home/somebody/pictures/runs/0000{}-small_set-resnet-bgc/generator-best.safetensors",
    ],
)
def test_references_of_long_names_are_told_apart(name: str) -> None:
    first, second = (name.format(index) for index in range(2))
    sources = [
        write(f"{index}.json", record(5.0, reference=each, reference_fingerprint=f"{index}" * 64))
        for index, each in enumerate([first, second])
    ]
    found = compare(sources)
    assert f"in reference {second} (not {first})," in found.notes[0]
    assert "111111111111... (not 000000000000...)" in found.notes[0]
    words = [column.protocol.removeprefix("5000 vs 2000 of ") for column in found.columns]
    assert all(word.startswith("generated by") and word.endswith(name[-8:]) for word in words)
    assert max(map(len, words)) <= 60
