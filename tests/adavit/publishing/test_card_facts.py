import json

import pytest

from adavit.publishing.card_facts import card_facts
from adavit.publishing.card_text import card_text
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import read_generator
from tests.adavit.publishing.conftest import CONFIG, WriteGenerator, protocol_of


def test_only_figures_and_checks_of_these_weights_count(run: RunDirectory) -> None:
    facts = card_facts(read_generator(run.path))
    (figure,) = facts.figures
    assert (figure.name, figure.value, figure.flattered) == ("fid", 12.5, False)
    assert figure.protocol["n_real"] == 200
    assert "reference" not in figure.protocol
    assert facts.copies["spaces"]["pixels"]["generated"]["share_closer"] == 0.02


@pytest.mark.parametrize("compared", ["generator_digest", "data_fingerprint"])
def test_a_copy_check_of_other_weights_or_against_other_images_does_not_count(
    run: RunDirectory, compared: str
) -> None:
    record = json.loads(run.diagnostics.memorisation.read_text())
    record["protocol"][compared] = "00" * 32  # the name of the generator is the same
    run.diagnostics.memorisation.write_text(json.dumps(record))
    facts = card_facts(read_generator(run.path))
    assert facts.copies == {}
    assert "not run on these weights and the images they were" in card_text(facts, license_id=None)


def test_of_two_figures_under_one_protocol_the_later_counts(run: RunDirectory) -> None:
    stored = read_generator(run.path)
    digest = card_facts(stored).digest
    for figure, fakes in ((11.0, 5000), (40.0, 50)):
        record = {"fid": figure, "protocol": protocol_of(n_fake=fakes)}
        run.append(run.evaluations, {**record, "source": {"fingerprint": digest}})
    figures = [(each.value, each.protocol["n_fake"]) for each in card_facts(stored).figures]
    assert figures == [(11.0, 5000), (40.0, 50)]


def test_a_figure_that_the_discriminator_flatters_says_so(
    run: RunDirectory, write_generator: WriteGenerator
) -> None:
    seen = ["torchvision:resnet18 " + "12" * 32, "adavit:secret_photos " + "34" * 32]
    config = {**CONFIG, "features": {**CONFIG["features"], "seen": seen}}
    stored = read_generator(write_generator(run.last_generator, config=config))
    record = {"fid": 9.0, "protocol": protocol_of(n_fake=7, discriminator_saw=seen)}
    run.append(run.evaluations, {**record, "source": {"fingerprint": card_facts(stored).digest}})
    facts = card_facts(stored)
    assert [each.flattered for each in facts.figures] == [False, True]
    assert facts.seen == (seen[0], "adavit:pretrained " + "34" * 32)


def test_a_file_outside_of_a_run_has_what_it_says_itself(write_generator: WriteGenerator) -> None:
    facts = card_facts(read_generator(write_generator()))
    assert facts.data == facts.environment == facts.copies == {}
    assert facts.figures == ()
    assert facts.settings["run"] == {"seed": 3}
    assert facts.data_name == ""


def test_a_generator_that_a_run_has_kept_is_of_the_run(
    run: RunDirectory, write_generator: WriteGenerator
) -> None:
    kept = write_generator(run.kept_generator(50_000, decimals=False), seed=1)
    digest = card_facts(read_generator(kept)).digest
    record = {"fid": 14.0, "protocol": protocol_of(), "source": {"fingerprint": digest}}
    run.append(run.evaluations, record)
    facts = card_facts(read_generator(kept))
    assert facts.data == {"images": 200, "training_images": 180, "heldout_images": 20}
    assert facts.environment["torch"] == "2.14.1"
    assert [figure.value for figure in facts.figures] == [14.0]
    beside = write_generator(run.path / "tuned.safetensors")
    assert card_facts(read_generator(beside)).data == {}


def test_only_a_set_that_is_known_is_named(write_generator: WriteGenerator) -> None:
    for source, name in (("cifar10:test", "cifar10:test"), ("./cifar10", ""), ("my_photos", "")):
        config = {**CONFIG, "data": {"source": source}}
        assert card_facts(read_generator(write_generator(config=config))).data_name == name
