"""`evaluate` on small networks that were never trained: what is compared with what, and what is recorded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.data import load_images
from adavit.errors import UserError
from adavit.evaluation.evaluate import evaluate
from adavit.evaluation.evaluator import Evaluator
from adavit.metrics.distances import frechet_distance
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.runs.records import read_evaluations
from adavit.runtime.console import SilentConsole
from tests.adavit.evaluation.runs import SIDE, draw, features_of, make_run

pytestmark = pytest.mark.usefixtures("small_protocols")


class Notes(SilentConsole):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.activities: list[tuple[str, int, int]] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def activity(self, text: str, done: int, total: int) -> None:
        self.activities.append((text, done, total))


def test_every_kind_of_source_stands_on_either_side(
    run: Path, pictures: Path, others: Path
) -> None:
    file = run / "generator-best.safetensors"
    sources = {"run": run, "generator file": file, "images": pictures}
    for kind, source in sources.items():
        for data in (run, file, others):
            record = evaluate(str(source), data=str(data), fakes=12, extractor="random")
            assert record["source"]["kind"] == kind
            assert record["protocol"]["n_fake"] == 12
            generated = data in (run, file)
            assert record["protocol"]["split"] == ("generated" if generated else "all")
            assert record["protocol"]["n_real"] == (12 if generated else 25)
            assert record["fd_random"] > 0


@pytest.mark.slow
def test_a_set_may_be_named_on_either_side() -> None:
    record = evaluate("small_set", data="small_set", fakes=1200, metrics=["fid"])
    assert record["source"]["name"] == record["protocol"]["reference"] == "small_set"
    assert (record["protocol"]["n_fake"], record["protocol"]["n_real"]) == (1200, 2000)
    assert 0 < record["fd_drawn"] < 1  # by what knows drawings, as in training
    assert record["kinds"] == 10
    assert record["notes"] == []  # and with so many images neither a note nor KID
    assert "kid_drawn" not in record


def test_fresh_drawings_have_all_kinds_and_what_real_ones_score_stands_beside_them() -> None:
    record = evaluate("small_set@1:120", data="small_set@2:120", metrics=["fid", "recall"])
    assert record["protocol"]["extractor"] == "drawn"
    assert record["kinds"] == record["kinds_halves"] == 10
    assert min(record["recognised"], record["recognised_halves"]) > 0.97
    assert record["fd_drawn"] < record["fd_drawn_halves"] < 20  # of 60 against 60, the more biased
    assert {"modes", "modes_halves", "recall_drawn", "recall_drawn_halves"} < record.keys()


def test_what_heldout_drawings_show_stands_beside_what_a_generator_draws(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Path("small_set:160"), side=32, subset=100, val_fraction=0.5)
    record = evaluate(str(run), fakes=80, extractor="drawn", metrics=["fid"])
    assert record["protocol"]["n_heldout"] == 50
    assert record["recognised"] == record["recognised_at_floor"] == 0  # an untrained network
    assert record["recognised_floor"] > 0.97
    assert (record["kinds"], record["kinds_at_floor"], record["kinds_floor"]) == (0, 0, 10)
    assert record["modes"] == record["modes_at_floor"] == 0
    assert 0.5 < record["modes_floor"] <= 1  # of 50 drawings beside those of 110 others


def test_the_drawn_extractor_takes_generated_drawings_and_nothing_else(
    run: Path, pictures: Path
) -> None:
    flat = evaluate(
        str(pictures), data="small_set:20", fakes=12
    )  # whose images these are nobody knows
    assert flat["protocol"]["extractor"] == "drawn"
    assert flat["recognised"] < 0.5
    for source, data in ((pictures, pictures), ("small_set:20", pictures), (run, "small_set:20")):
        with pytest.raises(UserError, match=r"extractor is drawn, but of '.*' it knows nothing"):
            evaluate(str(source), data=str(data), fakes=12, extractor="drawn")


def test_the_same_generator_on_both_sides_draws_other_images(run: Path) -> None:
    record = evaluate(str(run), data=str(run), fakes=40, extractor="random")
    assert record["fd_random"] > 1e-3  # the same latents would give 0
    other = evaluate(str(run), data=str(run), fakes=40, extractor="random", seed=5)
    assert other["protocol"]["reference_fingerprint"] != record["protocol"]["reference_fingerprint"]


def test_a_folder_scores_as_its_features_do(pictures: Path, others: Path) -> None:
    record = evaluate(str(pictures), data=str(others), extractor="random")
    sets = [load_images(str(path)).images for path in (pictures, others)]
    expected = frechet_distance(*(features_of(images) for images in sets))
    assert record["fd_random"] == pytest.approx(expected, rel=1e-6)
    assert record["source"]["fingerprint"] == load_images(str(pictures)).fingerprint
    assert record["protocol"]["truncation"] is None


def test_some_of_a_folder_are_drawn_with_the_seed_of_each_sub_folder_its_share(
    tmp_path: Path, others: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first by name would be of one class: a set against itself then scores anything but 0."""
    folder = draw(tmp_path / "sorted", {"a": 30, "b": 10}, 0)
    scored: list[np.ndarray] = []
    evaluate_images = Evaluator.evaluate_images

    def watched(self: Evaluator, images: np.ndarray, **arguments: Any) -> dict[str, Any]:
        scored.append(np.array(images))
        return evaluate_images(self, images, **arguments)

    monkeypatch.setattr(Evaluator, "evaluate_images", watched)
    records = [
        evaluate(str(folder), data=str(others), extractor="random", fakes=12, seed=seed)
        for seed in (0, 0, 1)
    ]
    everything = load_images(str(folder))
    assert everything.labels is not None
    for images in scored:
        rows = [
            np.flatnonzero((everything.images == each).all(axis=(1, 2, 3)))[0] for each in images
        ]
        assert np.bincount(everything.labels[rows]).tolist() == [9, 3]
    np.testing.assert_array_equal(scored[0], scored[1])
    assert (scored[0] != scored[2]).any()
    assert [record["protocol"]["seed"] for record in records] == [0, 0, 1]
    whole = evaluate(str(folder), data=str(others), extractor="random", fakes=40)
    assert whole["protocol"]["seed"] is None


def test_files_of_source_that_cannot_be_read_are_named_and_recorded(
    pictures: Path, others: Path
) -> None:
    (pictures / "broken.png").write_bytes(b"an interrupted copy")
    console = Notes()
    record = evaluate(str(pictures), data=str(others), extractor="random", console=console)
    said = [note for note in console.notes if note.startswith("SOURCE: Skipped")]
    assert len(said) == 1
    assert "broken.png is not a PNG" in said[0]
    assert "1 file of SOURCE was left out: broken.png." in record["notes"]


def test_files_are_read_as_asked_on_both_sides(run: Path, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), (60 * number, 0, 0)) for number in range(4)]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for place in range(2):
            path = tmp_path / name / f"{place}.gif"
            frames[0].save(path, save_all=True, append_images=frames[1:])
    (tmp_path / "a" / "linked.gif").symlink_to(tmp_path / "b" / "0.gif")
    options = {"data": str(tmp_path / "b"), "metrics": ["kid"], "extractor": "random"}
    record = evaluate(
        str(tmp_path / "a"), reading={"frames": "all", "follow_links": True}, **options
    )
    assert (record["protocol"]["n_fake"], record["protocol"]["n_real"]) == (12, 8)
    record = evaluate(str(tmp_path / "a"), **options)
    assert (record["protocol"]["n_fake"], record["protocol"]["n_real"]) == (2, 2)
    with pytest.raises(UserError, match="--scale-16bit is given, but the images of"):
        evaluate(str(run), reading={"scale_16bit": "set"}, metrics=["kid"], extractor="random")
    drawn = {**options, "data": str(run), "reading": {"frames": "all"}}
    with pytest.raises(UserError, match=r"--frames is given, but .* no files are read"):
        evaluate(str(run), **drawn)
    record = evaluate(str(tmp_path / "a"), **drawn)  # those that are compared with what it draws
    assert record["protocol"]["n_fake"] == 8


def test_data_that_are_gone_are_asked_for(run: Path, pictures: Path) -> None:
    pictures.rename("moved")
    with pytest.raises(UserError, match=r"are no longer at '.*pictures'. Give their new place"):
        evaluate(str(run), fakes=12, extractor="random")
    assert evaluate(str(run), fakes=12, extractor="random", data="moved")["protocol"]["n_real"] > 0


def test_data_that_changed_since_training_are_said(run: Path, pictures: Path) -> None:
    before = evaluate(str(run), fakes=12, extractor="random")
    assert not [note for note in before["notes"] if "changed" in note]
    next(pictures.rglob("*.png")).unlink()
    console = Notes()
    record = evaluate(str(run), fakes=12, extractor="random", console=console)
    for notes in (console.notes, record["notes"]):
        assert len([note for note in notes if "they have changed since" in note]) == 1
    other = evaluate(str(run), fakes=12, extractor="random", data=str(pictures))
    assert not [note for note in other["notes"] if "changed" in note]  # named on purpose


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        ("run", {"protocol": "quick6k"}, "'quick6k', expected one of train50k"),
        ("run", {"protocol": "quick5k", "fakes": 21}, "--fakes is 21, but --protocol quick5k"),
        ("run", {"protocol": "test10k"}, "has none. Name images"),
        ("run", {"protocol": "test10k", "data": "pictures"}, "nothing was trained from"),
        ("run", {"protocol": "train50k", "data": "others"}, "is not what --protocol train50k"),
        ("run", {"protocol": "fewshot5k", "data": "others"}, "'run' was trained from"),
        ("run", {"protocol": "fewshot5k", "data": "run"}, "'run' was trained from"),
        ("pictures", {"protocol": "fewshot5k", "data": "others"}, "is read as images"),
        ("pictures", {"protocol": "quick5k"}, "--data has no default"),
        ("others", {"fakes": 26, "data": "pictures"}, "'others' has 25. Lower --fakes"),
        ("pictures", {}, "--data has no default"),
        (
            "nothing",
            {"data": "pictures"},
            "SOURCE 'nothing' does not exist and is not a known name",
        ),
        ("run", {"data": "nothing"}, "--data 'nothing' does not exist"),
        ("x" * 300, {"data": "pictures"}, "does not exist and is no"),
        ("run", {"data": "large"}, "draws images of 32 px, but 'run' of 16 px"),
        ("pictures", {"data": "others", "which": "best"}, "--which is best"),
        ("pictures", {"data": "others", "truncation": 0.5}, "--truncation is 0.5"),
        ("pictures", {"data": "others", "metrics": ["ppl"]}, "--metrics is ppl"),
        (
            "run",
            {"data": "others", "metrics": ["ppl"]},
            "others, but --metrics ppl compares with no other images",
        ),
        (
            "run",
            {"protocol": "quick5k", "metrics": ["ppl"]},
            "--protocol is quick5k, but --metrics",
        ),
        ("run", {"reading": {"fit": "pad"}, "metrics": ["ppl"]}, "--fit is pad, but --metrics ppl"),
        ("run", {"metrics": ["is"]}, "has no classes"),
        ("run", {"metrics": ["fid", "fid"]}, "each metric once"),
        ("run", {"metrics": ["lpips"]}, "metrics name 'lpips'"),
        (
            "run",
            {"metrics": ["recall"], "fakes": 3},
            "need at least 4 generated images, but there are only 3",
        ),
        ("run", {"metrics": ["fid_infinity"], "fakes": 9}, "needs at least 30"),
        ("run", {"extractor": "lpips-vgg16"}, "names fid,kid,kid_subsets, but --extractor lpips"),
        ("run", {"extractor": "vgg"}, "extractor is 'vgg', but must be one of .*Use one of these"),
    ],
)
@pytest.mark.usefixtures("pictures", "others", "run")
def test_what_the_user_can_mend_is_an_error_before_anything_is_measured(
    source: str, arguments: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if arguments.get("data") == "large":
        make_run(Path("large"), Path("pictures"), side=32)
    measured: list[int] = []
    monkeypatch.setattr(RandomFeatures, "__call__", lambda *_: measured.append(1))
    with pytest.raises(UserError, match=message) as caught:
        evaluate(source, **{"extractor": "random", **arguments})
    assert "\n" not in str(caught.value)
    assert not measured
    assert not Path("run/evaluations.jsonl").exists()


def test_all_metrics_are_recorded_under_the_extractors_name(run: Path) -> None:
    names = ["fid", "kid", "precision", "recall", "density", "coverage", "ppl", "fid_infinity"]
    record = evaluate(str(run), metrics=names, extractor="random")
    expected = {"fd_random", "kid_random", "kid_subsets_random", "kid_subsets_random_std"}
    expected |= {f"{name}_random" for name in names[2:7]} | {"ppl_random_std", "fd_infinity_random"}
    assert expected < record.keys()
    assert not {"fid", *names} & record.keys()
    assert set(record["protocol"]["settings"]) == {*names, "kid_subsets"}
    assert all(np.isfinite(record[name]) for name in expected)


def test_the_record_says_all_it_was_measured_under(run: Path, pictures: Path) -> None:
    record = evaluate(str(run), extractor="random", truncation=0.5, seed=7)
    protocol, source = record["protocol"], record["source"]
    assert {
        "extractor": "random",
        "weights_digest": RandomFeatures().weights_digest,
        "n_fake": 30,
        "n_real": 40,
        "split": "all",
        "resolution": 16,
        "data_resize": "centre square, Lanczos",
        "truncation": 0.5,
        "labels": None,
        "seed": 7,
        "name": None,
    }.items() <= protocol.items()
    images = load_images(str(pictures), resolution=SIDE, channels="rgb")
    assert protocol["reference_fingerprint"] == source["trained_on"] == images.fingerprint
    assert len(source["fingerprint"]) == 64
    assert record["images"] == 1234


def test_a_run_keeps_its_records(run: Path) -> None:
    first = evaluate(str(run), extractor="random")
    second = evaluate(str(run), extractor="random", seed=3)
    log = run / "evaluations.jsonl"
    assert [json.loads(line) for line in log.read_text().splitlines()] == [first, second]
    with log.open("a") as file:
        file.write('{"fd_random": 3, "proto')  # a kill
    evaluate(str(run), extractor="random")
    assert read_evaluations(log) == [first, second, first]
    file = run / "generator-best.safetensors"
    evaluate(str(file), extractor="random")
    assert len(read_evaluations(log)) == 3


def test_a_log_that_cannot_be_written_is_told_and_the_record_returned(run: Path) -> None:
    (run / "evaluations.jsonl").mkdir()
    console = Notes()
    record = evaluate(str(run), extractor="random", console=console)
    assert record["fd_random"] > 0
    assert any("not added to" in note for note in console.notes)


def test_two_evaluations_give_the_same_bits_and_another_seed_others(run: Path) -> None:
    arguments: dict[str, Any] = {"metrics": ["fid", "kid", "ppl"], "extractor": "random"}
    first = evaluate(str(run), **arguments)
    before = torch.get_rng_state()
    assert evaluate(str(run), **arguments) == first
    assert torch.equal(torch.get_rng_state(), before)
    other = evaluate(str(run), seed=1, **arguments)
    for name in ("fd_random", "kid_random", "ppl_random"):
        assert other[name] != first[name]
    truncated = evaluate(str(run), truncation=0.5, **arguments)
    assert truncated["ppl_random"] < first["ppl_random"]


def test_one_changed_pixel_is_another_reference(run: Path, pictures: Path) -> None:
    first = evaluate(str(run), extractor="random")
    path = pictures / "dark" / "3.png"
    pixels = np.array(Image.open(path))
    pixels[5, 5, 0] ^= 1
    Image.fromarray(pixels).save(path)
    second = evaluate(str(run), extractor="random")
    assert second["fd_random"] != first["fd_random"]
    fingerprints = {r["protocol"]["reference_fingerprint"] for r in (first, second)}
    assert len(fingerprints) == 2


def test_few_images_are_finite_and_noted_with_kid_beside_fid(run: Path) -> None:
    console = Notes()
    record = evaluate(str(run), metrics=["fid"], extractor="random", console=console)
    assert np.isfinite(record["fd_random"])
    assert np.isfinite(record["kid_random"])
    (note,) = record["notes"]
    assert "30 against 40 images is biased upwards" in note
    assert note in console.notes


def test_path_lengths_alone_need_no_real_images(run: Path, pictures: Path) -> None:
    pictures.rename("gone")
    record = evaluate(str(run), metrics=["ppl"], extractor="random", fakes=40)
    assert record["ppl_random"] > 0
    assert (record["protocol"]["n_fake"], record["protocol"]["n_real"]) == (40, None)
    assert record["protocol"]["seed"] == 0


def test_progress_is_told_for_both_sides(run: Path) -> None:
    console = Notes()
    evaluate(str(run), metrics=["fid", "ppl"], data=str(run), extractor="random", console=console)
    last = {text: (done, total) for text, done, total in console.activities}
    assert last == {
        "generating the reference": (30, 30),
        "reading real images": (30, 30),
        "evaluating": (30, 30),
        "walking paths": (30, 30),
    }
