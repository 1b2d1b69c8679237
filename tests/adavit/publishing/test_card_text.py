import dataclasses
import re

import pytest
import yaml

from adavit.publishing.card_facts import card_facts
from adavit.publishing.card_text import card_text
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import read_generator
from tests.adavit.publishing.conftest import CONFIG, WriteGenerator


def head_of(text: str) -> dict[str, object]:
    _, head, _ = text.split("---\n", 2)
    values = yaml.safe_load(head)
    assert isinstance(values, dict)
    return values


def test_figures_stand_with_their_protocol(run: RunDirectory) -> None:
    text = card_text(card_facts(read_generator(run.path)), license_id=None)
    (row,) = (line for line in text.splitlines() if line.startswith("| fid"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "fid",
        "12.5",
        "lower",
        "5,000",
        "200 (all, fefefefefefe)",
        "inception 01234567",
        "16 px, truncation 1.0",
    ]
    assert "200 in all, 180 of them trained on, 20 held out." in text
    assert "`" + "ab" * 32 + "`" in text
    assert "| 2.0% [0.4%, 10.5%] of 50 | none there |" in text
    assert "nearer to a training image than 99% of these" in text
    assert "Trained with torch 2.14.1, device cpu." in text


def test_what_is_not_known_is_said(write_generator: WriteGenerator) -> None:
    text = card_text(card_facts(read_generator(write_generator())), license_id=None)
    assert "None was measured of these weights." in text
    assert "`adavit memorisation` was not run on these weights" in text
    assert "its author states none" in text
    assert "Trained from random weights" in text
    assert "license" not in head_of(text)


def test_the_front_matter_is_what_hubs_read(write_generator: WriteGenerator) -> None:
    facts = card_facts(read_generator(write_generator()))
    head = head_of(card_text(facts, license_id="cc-by-4.0"))
    assert head["license"] == "cc-by-4.0"
    assert head["pipeline_tag"] == "unconditional-image-generation"
    assert head["library_name"] == "adavit"
    conditional = card_facts(read_generator(write_generator(num_classes=2)))
    text = card_text(conditional, license_id=None)
    assert "pipeline_tag" not in head_of(text)
    assert "It draws images of a class: cat, dog." in text


def test_sources_and_their_licences_are_named(write_generator: WriteGenerator) -> None:
    config = {
        **CONFIG,
        "features": {"seen": ["torchvision:resnet18 " + "12" * 32, "unheard:of 00"]},
        "training": {"transfer": "./other_run"},
    }
    text = card_text(card_facts(read_generator(write_generator(config=config))), license_id=None)
    section = text.partition("## Source weights")[2].partition("\n## ")[0]
    assert re.search(r"`torchvision:resnet18 12121212`\..*BSD-3-Clause.*non-commercial", section)
    assert re.search(r"`unheard:of 00`\..*look where they came from", section)
    assert "began from another generator" in section
    assert "other_run" not in text


@pytest.mark.parametrize("name", ["|a|", "<script>", "`x`"])
def test_names_of_classes_are_no_markup(write_generator: WriteGenerator, name: str) -> None:
    stored = read_generator(write_generator(num_classes=1))
    stored.generator.classes = (name,)
    facts = card_facts(type(stored)(**{**vars(stored), "classes": (name,)}))
    line = next(
        line for line in card_text(facts, license_id=None).splitlines() if "of a class" in line
    )
    assert name not in line


def test_an_imported_generator_says_whose_it_is(write_generator: WriteGenerator) -> None:
    facts = card_facts(read_generator(write_generator()))
    imported = dataclasses.replace(facts, origin="ffhq.pkl " + "56" * 32)
    text = card_text(imported, license_id=None)
    assert f"imported by adavit from `ffhq.pkl {'56' * 32}`." in text
    assert "trained by others. Weights that NVIDIA has published" in text
    assert "non-commercial" in text
    assert "Images of the author's" not in text
    assert "Trained from random weights" not in text
