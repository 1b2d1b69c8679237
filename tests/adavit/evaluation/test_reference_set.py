import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import adavit.evaluation.evaluate
from adavit.config.run import RunConfig
from adavit.data import load_images
from adavit.data.digests import images_digest
from adavit.errors import UserError
from adavit.evaluation.evaluate import evaluate
from adavit.evaluation.protocol import PROTOCOLS
from adavit.evaluation.reference_set import ReferenceChoice, ReferenceSet
from adavit.evaluation.run_images import split_of
from adavit.evaluation.sources import open_source
from adavit.generation.sampling import generated_batches
from adavit.runtime.randomness import seed_for
from tests.adavit.evaluation.runs import SIDE, as_imported, make_run

pytestmark = pytest.mark.usefixtures("small_protocols")


def reference_of(
    source: Path, data: Path | None, protocol: str | None = None, **changes: Any
) -> ReferenceSet:
    arguments: dict[str, Any] = {
        "count": None,
        "seed": None,
        "data_root": None,
        "reading": {},
        "activity": lambda *_: None,
    }
    return ReferenceChoice(
        open_source(str(source), "SOURCE"),
        None if data is None else str(data),
        None if protocol is None else PROTOCOLS[protocol],
        **{**arguments, **changes},
    ).load()


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
    build = adavit.evaluation.evaluation.build_evaluator

    def spy(reference: Any, **arguments: Any) -> Any:
        seen.append(reference.images)
        return build(reference, **arguments)

    monkeypatch.setattr("adavit.evaluation.evaluation.build_evaluator", spy)
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
    stored = open_source(str(run), "SOURCE")
    config = stored.config  # type: ignore[union-attr]
    named = config.model_copy(update={"data": config.data.model_copy(update={"source": "cifar10"})})
    opened = dataclasses.replace(stored, config=named)
    monkeypatch.setattr("adavit.evaluation.evaluate.open_source", lambda *_, **__: opened)
    record = evaluate("run", protocol="test10k", extractor="random")
    assert asked == ["cifar10:test"]
    assert record["protocol"]["split"] == "test"


def test_the_data_of_the_run_come_with_their_split(run: Path, pictures: Path) -> None:
    images = load_images(str(pictures), resolution=SIDE, channels="rgb")
    found = reference_of(run, None)
    np.testing.assert_array_equal(found.images.images, images.images)
    assert (found.split, found.data_resize) == ("all", "centre square, Lanczos")
    assert found.trained_on is not None
    assert len(found.trained_on[1].train) == 20


def test_other_data_have_no_split(run: Path, others: Path) -> None:
    assert reference_of(run, others).trained_on is None


def test_images_trained_on_are_known_by_a_digest_of_their_own(run: Path, pictures: Path) -> None:
    found = reference_of(run, None, "fewshot5k")
    assert found.images.fingerprint == images_digest(found.images.images)
    assert found.images.labels is None
    assert found.trained_on is not None
    whole = load_images(str(pictures), resolution=SIDE, channels="rgb")
    np.testing.assert_array_equal(found.trained_on[0].images, whole.images)


def test_a_generator_is_drawn_from_in_a_stream_of_its_own(run: Path) -> None:
    told: list[tuple[str, int, int]] = []
    found = reference_of(
        run, run, count=12, seed=3, reading={}, activity=lambda *told_of: told.append(told_of)
    )
    source = open_source(str(run), "SOURCE")
    generator = source.stored.generator  # type: ignore[union-attr]
    drawn = generated_batches(generator, 12, seed=seed_for(3, "evaluation reference", 0))
    np.testing.assert_array_equal(found.images.images, np.concatenate([b.numpy() for b in drawn]))
    evaluated = generated_batches(generator, 12, seed=seed_for(3, "evaluation", 0))
    assert not np.array_equal(found.images.images, np.concatenate([b.numpy() for b in evaluated]))
    assert (found.split, found.data_resize, found.trained_on) == ("generated", None, None)
    assert found.images.fingerprint == images_digest(found.images.images)
    assert told[-1] == ("generating the reference", 12, 12)


def test_without_counts_a_generator_gives_as_many_as_its_own_metrics(
    run: Path, pictures: Path
) -> None:
    assert len(reference_of(pictures, run).images.images) == 30


def test_of_an_imported_generator_nobody_knows_whether_its_images_have_changed(
    run: Path, others: Path
) -> None:
    imported = as_imported(run)
    found = reference_of(imported, None)
    assert (found.trained_on, found.notes) == (None, ())
    for protocol in ("train50k", "fewshot5k"):
        for data in (None, others):
            with pytest.raises(UserError, match="'run' was imported, so nobody knows whether") as e:
                reference_of(imported, data, protocol)
            assert f"--protocol {protocol} compares with, expected the images" in str(e.value)
            assert "as it is now, is not" not in str(e.value)
            assert str(e.value).endswith("Leave --protocol out and give --fakes.")
    assert len(reference_of(imported, others, "quick5k").images) == 25


def test_images_that_are_gone_are_called_what_they_were_to_the_run(
    run: Path, pictures: Path
) -> None:
    settings = yaml.safe_load((run / "config.yaml").read_text())
    settings["metrics"]["reference"] = "gone"
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(UserError, match="the images that 'run' is measured against are no longer"):
        reference_of(run, None)
    assert len(reference_of(run, None, "train50k").images) == 40
    pictures.rename("elsewhere")
    with pytest.raises(UserError, match="the images that 'run' was trained on are no longer at"):
        reference_of(run, None, "train50k")


def test_images_have_no_default_and_no_images_trained_on(pictures: Path, others: Path) -> None:
    expected = (
        r"--data has no default; expected the real images to compare with \(metrics that look at none, such as"
        r" is, take their size alone\)\. Give --data"
    )
    with pytest.raises(UserError, match=expected):
        reference_of(pictures, None)
    with pytest.raises(UserError, match=r"is read as images\. Name the run"):
        reference_of(pictures, others, "fewshot5k")
