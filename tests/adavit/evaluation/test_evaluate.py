"""`evaluate` on small networks that were never trained: what is compared with what, and what is recorded."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import adavit.evaluation.reference_set
import adavit.evaluation.scoring
from adavit.config.auto import RunFacts, resolve
from adavit.config.run import RunConfig
from adavit.data import load_images
from adavit.errors import UserError
from adavit.evaluation.evaluate import evaluate
from adavit.evaluation.protocol import PROTOCOLS, find_protocol
from adavit.evaluation.run_images import split_of
from adavit.metrics.distances import frechet_distance
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.models import Generator
from adavit.runs.generator_file import save_generator
from adavit.runs.records import read_evaluations, read_record
from adavit.runtime.console import SilentConsole
from adavit.training.train import config_text

SIDE = 16
CLASS_SIZES = {"dark": 30, "light": 10}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def small_protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    """The protocols with 20 generated images: what they compare is the same."""
    for name, row in PROTOCOLS.items():
        monkeypatch.setitem(PROTOCOLS, name, dataclasses.replace(row, fakes=20))


def draw(folder: Path, sizes: dict[str, int], seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for name, count in sizes.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = rng.integers(0, 128, (SIDE, SIDE, 3)) + 100 * (name == "light")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{index}.png")
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return draw(tmp_path / "pictures", CLASS_SIZES, 0)


@pytest.fixture
def others(tmp_path: Path) -> Path:
    return draw(tmp_path / "others", {"all": 25}, 1)


@pytest.fixture
def run(pictures: Path) -> Path:
    return make_run(Path("run"), pictures, subset=20)


def make_run(
    path: Path, data: Path, *, cond: bool = False, side: int = SIDE, **section: Any
) -> Path:
    """A run directory as `evaluate` needs it: settings and a generator."""
    images = load_images(str(data), resolution=side, channels="rgb")
    config = resolve(
        RunConfig.model_validate(
            {
                "data": {"source": str(data), "resolution": side, "cond": cond, **section},
                "metrics": {"extractor": "random", "fakes": 30},
            }
        ),
        RunFacts(resolution=side, training_images=20, device="cpu"),
    )
    arguments = {"resolution": side, "image_channels": 3, "num_classes": 2 if cond else 0}
    arguments |= {"latent_dim": 6, "style_dim": 6, "channel_base": 64, "channel_max": 8}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(**arguments).eval()
    path.mkdir()
    (path / "config.yaml").write_text(config_text(config))
    save_generator(
        path / "generator-best.safetensors",
        generator,
        arguments=arguments,
        config=config.as_dict(),
        data_fingerprint=images.fingerprint,
        images=1234,
        metric=None,
        classes=images.classes if cond else (),
        label_counts=[15, 5] if cond else None,
    )
    return path


def features_of(images: np.ndarray) -> torch.Tensor:
    return RandomFeatures()(torch.from_numpy(np.array(images)))


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
    assert 0 < record["fd_random"] < 1  # measured offline, as in training
    assert record["notes"] == []  # and with so many images neither a note nor KID
    assert "kid_random" not in record


def test_the_same_generator_on_both_sides_draws_other_images(run: Path) -> None:
    record = evaluate(str(run), data=str(run), fakes=40, extractor="random")
    assert record["fd_random"] > 1e-3  # the same latents would give 0
    other = evaluate(str(run), data=str(run), fakes=40, extractor="random", seed=5)
    assert other["protocol"]["reference_fingerprint"] != record["protocol"]["reference_fingerprint"]


def test_a_path_wins_over_a_name(others: Path, pictures: Path) -> None:
    others.rename("small_set")
    record = evaluate(str(pictures), data="small_set", extractor="random")
    assert record["protocol"]["n_real"] == 25


def test_a_folder_scores_as_its_features_do(pictures: Path, others: Path) -> None:
    record = evaluate(str(pictures), data=str(others), extractor="random")
    sets = [load_images(str(path)).images for path in (pictures, others)]
    expected = frechet_distance(*(features_of(images) for images in sets))
    assert record["fd_random"] == pytest.approx(expected, rel=1e-6)
    assert record["source"]["fingerprint"] == load_images(str(pictures)).fingerprint
    assert record["protocol"]["truncation"] is None


def test_quick5k_compares_with_all_of_the_data(run: Path, others: Path) -> None:
    protocol = evaluate(str(run), protocol="quick5k", extractor="random")["protocol"]
    assert (protocol["n_fake"], protocol["n_real"], protocol["name"]) == (20, 40, "quick5k")
    other = evaluate(str(run), protocol="quick5k", data=str(others), extractor="random")
    assert other["protocol"]["n_real"] == 25


def test_train50k_compares_with_all_images_and_not_the_subset_alone(run: Path) -> None:
    protocol = evaluate(str(run), protocol="train50k", extractor="random")["protocol"]
    assert (protocol["n_fake"], protocol["n_real"], protocol["split"]) == (20, 40, "all")


def test_fewshot5k_compares_with_the_images_trained_on(
    run: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    build = adavit.evaluation.evaluate.build_evaluator

    def spy(reference: Any, **arguments: Any) -> Any:
        seen.append(reference.images)
        return build(reference, **arguments)

    monkeypatch.setattr("adavit.evaluation.evaluate.build_evaluator", spy)
    record = evaluate(str(run), protocol="fewshot5k", extractor="random")
    images = load_images(str(pictures), resolution=SIDE, channels="rgb")
    config = RunConfig.model_validate({"data": {"source": str(pictures), "subset": 20}})
    trained_on = images.images[split_of(config, images).train]
    np.testing.assert_array_equal(seen[0], trained_on)
    protocol = record["protocol"]
    assert (protocol["n_real"], protocol["split"]) == (20, "trained on")
    assert protocol["reference_fingerprint"] != images.fingerprint


def test_data_that_moved_is_found_with_data_and_known_by_its_content(
    run: Path, pictures: Path
) -> None:
    pictures.rename("elsewhere")
    with pytest.raises(UserError, match="pictures"):
        evaluate(str(run), protocol="train50k", extractor="random")
    moved = evaluate(str(run), protocol="train50k", data="elsewhere", extractor="random")
    assert moved["protocol"]["n_real"] == 40


def test_test10k_takes_images_held_back(run: Path, others: Path) -> None:
    record = evaluate(str(run), protocol="test10k", data=str(others), extractor="random")
    assert record["protocol"]["n_real"] == 25


def test_test10k_finds_the_test_split_of_a_named_set(
    pictures: Path, others: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(Path("run"), pictures)
    asked = []

    def load(source: str, flag: str, **arguments: Any) -> Any:
        asked.append(source)
        images = load_images(str(others), **{**arguments, "data_root": None})
        return dataclasses.replace(images, source=source)

    monkeypatch.setattr("adavit.evaluation.reference_set.load_reference", load)
    stored = adavit.evaluation.sources.open_source(str(run), "SOURCE")
    config = stored.config  # type: ignore[union-attr]
    named = config.model_copy(update={"data": config.data.model_copy(update={"source": "cifar10"})})
    opened = dataclasses.replace(stored, config=named)
    monkeypatch.setattr("adavit.evaluation.evaluate.open_source", lambda *_, **__: opened)
    record = evaluate("run", protocol="test10k", extractor="random")
    assert asked == ["cifar10:test"]
    assert record["protocol"]["split"] == "test"


def test_the_published_protocols_are_what_their_names_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    rows = {name: (row.fakes, row.against) for name, row in PROTOCOLS.items()}
    assert rows == {
        "train50k": (50_000, "training set"),
        "test10k": (10_000, "test split"),
        "quick5k": (5_000, "data"),
        "fewshot5k": (5_000, "trained on"),
    }
    assert find_protocol("quick5k").fakes == 5000


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
        ("nothing", {"data": "pictures"}, "SOURCE 'nothing' is neither there nor a known name"),
        ("run", {"data": "nothing"}, "--data 'nothing' is neither"),
        ("x" * 300, {"data": "pictures"}, "is neither there nor"),
        ("run", {"data": "large"}, "draws images of 32 px, but 'run' of 16 px"),
        ("pictures", {"data": "others", "seed": 1}, "--seed is 1"),
        ("pictures", {"data": "others", "which": "best"}, "--which is best"),
        ("pictures", {"data": "others", "truncation": 0.5}, "--truncation is 0.5"),
        ("pictures", {"data": "others", "metrics": ["ppl"]}, "--metrics is ppl"),
        ("run", {"metrics": ["is"]}, "has no classes"),
        ("run", {"metrics": ["fid", "fid"]}, "each metric once"),
        ("run", {"metrics": ["lpips"]}, "metrics name 'lpips'"),
        ("run", {"metrics": ["recall"], "fakes": 3}, "3 generated images, but neighbourhoods"),
        ("run", {"metrics": ["fid_infinity"], "fakes": 9}, "needs at least 30"),
        ("run", {"extractor": "lpips-vgg16"}, "names fid,kid,kid_subsets, but --extractor lpips"),
        ("run", {"extractor": "vgg"}, "extractor is 'vgg', but must be one of .*Use one of these"),
        ("run", {"out": Path("nowhere/x.json")}, "--out 'nowhere/x.json' cannot be written"),
        ("run", {"out": Path("run")}, "--out 'run' cannot be written"),
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


def test_a_run_keeps_its_records_and_out_gets_one(run: Path) -> None:
    first = evaluate(str(run), extractor="random", out=Path("one.json"))
    second = evaluate(str(run), extractor="random", seed=3)
    log = run / "evaluations.jsonl"
    assert [json.loads(line) for line in log.read_text().splitlines()] == [first, second]
    assert read_record(Path("one.json")) == first
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


def test_path_lengths_are_those_of_straight_steps_in_w(run: Path) -> None:
    """A step a hundred times as long, in float64, has the same speed where the generator is smooth."""
    record = evaluate(str(run), metrics=["ppl"], extractor="random", fakes=200)
    stored = adavit.evaluation.sources.open_source(str(run), "SOURCE").stored  # type: ignore[union-attr]
    generator, extractor = stored.generator.double(), RandomFeatures()
    extractor._filters = [f.double() for f in extractor._filters]
    extractor._opponents = extractor._opponents.double()
    stream = torch.Generator().manual_seed(5)
    latents = torch.randn(400, 6, generator=stream, dtype=torch.float64)
    with torch.no_grad():
        start, end = generator.mapping(latents, None).chunk(2)
        images = [generator.synthesis(w) for w in (start, torch.lerp(start, end, 1e-3))]
        steps = extractor.of_unrounded(images[1].double()) - extractor.of_unrounded(
            images[0].double()
        )
    speeds = (steps / 1e-3).square().sum(dim=1)
    assert record["ppl_random"] == pytest.approx(float(speeds.mean()), rel=0.2)


@pytest.mark.parametrize("metric", ["fid", "ppl"])
def test_conditional_generators_get_the_labels_of_the_training_images(
    metric: str, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(Path("conditional"), pictures, cond=True)
    seen: list[torch.Tensor] = []
    module = type(adavit.evaluation.sources.open_source(str(run), "").stored.generator.mapping)  # type: ignore[union-attr]
    forward = module.forward

    def spy(self: Any, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append(labels)
        return forward(self, latents, labels)

    monkeypatch.setattr(module, "forward", spy)
    record = evaluate(str(run), metrics=[metric], extractor="random", fakes=500)
    assert record["protocol"]["labels"] == "training images"
    drawn = torch.cat(seen)
    assert abs((drawn == 0).double().mean().item() - 0.75) < 0.07  # 15 of 20, as trained on
    if metric == "ppl":
        first, second = seen[0].chunk(2)
        assert torch.equal(first, second)  # a path stays within its class


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
