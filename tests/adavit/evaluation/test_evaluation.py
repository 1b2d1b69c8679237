"""Folders that `adavit generate` has drawn beside the runs that they are of."""

import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from adavit.evaluation.compare import compare
from adavit.evaluation.evaluate import evaluate
from adavit.generation.generate import generate
from adavit.runs.generator_file import read_generator, save_generator
from adavit.runs.records import write_record
from tests.adavit.evaluation.runs import make_run
from tests.inception_stand_in import choose_stand_in

SEEN = f"torchvision:resnet18 {'01' * 32}"


@pytest.fixture(autouse=True)
def networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adavit.evaluation.scoring.choose_extractor", choose_stand_in)


@pytest.fixture
def marked(run: Path) -> Path:
    """A copy of the run whose discriminator saw a network."""
    shutil.copytree(run, "marked")
    mark(Path("marked"), SEEN)
    return Path("marked")


def mark(run: Path, seen: str) -> None:
    """Writes the network that the discriminator of a run saw."""
    file = run / "generator-best.safetensors"
    stored = read_generator(file)
    config = stored.config | {"features": stored.config["features"] | {"seen": [seen]}}
    save_generator(
        file,
        stored.generator,
        arguments=stored.arguments,
        config=config,
        data_fingerprint=stored.data_fingerprint,
        images=stored.images,
        metric=None,
        classes=(),
        label_counts=None,
    )
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def drawn(source: Path, name: str, seeds: range = range(30)) -> str:
    generate(source, seeds, name, device="cpu")
    return name


def test_a_folder_is_measured_and_marked_as_the_run_that_drew_it(
    marked: Path, others: Path
) -> None:
    of_run = evaluate(str(marked), data=str(others))
    of_folder = evaluate(drawn(marked, "drawn"), data=str(others))
    archive = shutil.make_archive("zipped", "zip", "drawn")
    of_zip = evaluate(archive, data=str(others))
    for record in (of_run, of_folder, of_zip):
        assert "fd_random" in record  # what the discriminator has not seen comes first
        assert "fid" in record["beside"][0]
        assert [part["protocol"]["discriminator_saw"] for part in (record, *record["beside"])] == [
            [SEEN],
            [SEEN],
        ]
    asked = evaluate("drawn", data=str(others), extractor="inception")
    assert "fid" in asked
    assert "fd_random" in asked["beside"][0]


def test_a_folder_of_an_unmarked_run_is_none_of_an_unknown_discriminator(
    run: Path, others: Path
) -> None:
    record = evaluate(drawn(run, "drawn"), data=str(others))
    assert "fid" in record
    assert "beside" not in record
    assert record["protocol"]["discriminator_saw"] is None
    assert not any("unknown discriminator" in note for note in record["notes"])
    Image.open("drawn/seed0003.png").save("drawn/seed0003.png")  # saved anew by another program
    assert (
        evaluate("drawn", data=str(others))["protocol"]["discriminator_saw"] == "unknown"
    )  # of that image nobody knows


def test_some_marked_images_among_others_mark_them_all(
    run: Path, marked: Path, others: Path
) -> None:
    drawn(run, "mixed", range(20))
    drawn(marked, "mixed", range(20, 30))
    record = evaluate("mixed", data=str(others), extractor="inception")
    assert record["protocol"]["discriminator_saw"] == [SEEN]


def test_folders_are_compared_as_their_runs_are_and_those_of_others_as_unknown(
    run: Path, marked: Path, pictures: Path, others: Path
) -> None:
    files = []
    for name, source in (
        ("marked", drawn(marked, "of-marked")),
        ("plain", drawn(run, "of-plain")),
        ("foreign", str(pictures)),
    ):
        record = evaluate(source, data=str(others), extractor="inception", fakes=30)
        files.append(f"{name}.json")
        write_record(Path(files[-1]), record)
    found = compare(files)
    assert found.marks == ("pretrained features", "", "unknown discriminator")
    fids = [column for column in found.columns if column.name == "fid"]
    held = [[value is not None for value in column.values] for column in fids]
    assert held == [[False, True, True], [True, False, False]]
    assert any(note.startswith("unknown discriminator: ") for note in found.notes)
    (together,) = [c for c in compare(files, anyway=True).columns if c.name == "fid"]
    assert together.flattered == (True, False, False)


@pytest.mark.parametrize("extractor", ["drawn", "auto"])
def test_a_network_beside_that_sees_nothing_of_the_images_measures_the_generator_alone(
    tmp_path: Path, extractor: str
) -> None:
    run = make_run(tmp_path / "drawings", Path("small_set:40"), side=32)
    mark(run, f"stylegan2:x.pkl {'01' * 32}")
    metrics = ["recognised", "ppl"]
    record = evaluate(str(run), metrics=metrics, extractor=extractor, fakes=20)
    parts = {part["protocol"]["extractor"]: part for part in (record, *record["beside"])}
    assert list(parts) == (["drawn", "random"] if extractor == "drawn" else ["random", "drawn"])
    assert {"recognised", "ppl_drawn"} < parts["drawn"].keys()
    assert parts["drawn"]["protocol"]["n_real"] == 40
    assert parts["random"]["ppl_random"] > 0
    assert parts["random"]["protocol"]["n_real"] is None
    assert "recognised" not in parts["random"]
