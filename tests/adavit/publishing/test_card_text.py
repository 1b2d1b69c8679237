import dataclasses
import json
import re
from typing import Any

import pytest
import yaml

from adavit.publishing.card_facts import PROTOCOL_FIELDS, card_facts
from adavit.publishing.card_text import card_text
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import read_generator
from adavit.runs.weights_file import read_weights, write_tensors
from tests.adavit.publishing.conftest import CONFIG, WriteGenerator, protocol_of

HEADINGS = (
    *("## Figures", "## Data", "## Does it copy?", "## Source weights and licences"),
    *("## How to use it", "## Settings"),
)
MARKUP = (
    *("<details>", "<summary>All settings</summary>", "</details>"),
    "![Images of the first seeds](samples.png)",
)


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
    assert "nearer to a training image than 99% of the training images are to one another" in text
    assert "Trained with torch 2.14.1, device cpu." in text


def test_of_few_training_images_no_hundredth_is_spoken_of(run: RunDirectory) -> None:
    file = run.diagnostics.memorisation
    record = json.loads(file.read_text())
    record["protocol"]["n_leave_one_out"] = 50
    file.write_text(json.dumps(record))
    text = card_text(card_facts(read_generator(run.path, which="last")), license_id=None)
    assert "nearer to a training image than any two training images are to one another" in text


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
    networks = ["torchvision:resnet18 " + "12" * 32, "lpips-vgg16 " + "34" * 32, "unheard:of 00"]
    config = {
        **CONFIG,
        "features": {"seen": networks},
        "training": {"transfer": "./other_run"},
    }
    text = card_text(card_facts(read_generator(write_generator(config=config))), license_id=None)
    section = text.partition("## Source weights")[2].partition("\n## ")[0]
    assert re.search(r"`torchvision:resnet18 12121212`\..*BSD-3-Clause.*non-commercial", section)
    assert re.search(r"`lpips-vgg16 34343434`\..*BSD-2-Clause.*non-commercial", section)
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
    assert "Images that are not named here" not in text
    assert "Trained from random weights" not in text


EVIL = (
    "x` ```\n```\n\n</details>\n\n<script>alert(1)</script>\n\n## Licence\n\n| a | Public domain. |"
    " ![](https://evil.example/pixel.png) [y](https://evil.example) <b> \ud800 `\r\n# Free\u2028"
)


def of_protocol(**changes: Any) -> dict[str, Any]:
    return {"metric": {"name": "fid", "fid": 2.0, "protocol": protocol_of(**changes)}}


EVIL_ENTRIES: dict[str, dict[str, Any]] = {
    "origin": {"origin": EVIL.replace("\ud800", "")},
    "classes": {"num_classes": 1, "classes": (EVIL,)},
    "tuned": {"tuned_from": EVIL.replace("\ud800", "")},
    "section": {"config": {EVIL: {"key": 1}}},
    "key": {"config": {"run": {EVIL: 1}}},
    "key within a setting": {"config": {"run": {"x": {EVIL: [EVIL]}}}},
    "setting": {"config": {"run": {"seed": EVIL}, "training": {"loss": [EVIL]}}},
    "data": {"config": {"data": {"source": f"small_set:{EVIL}"}}},
    "networks": {"config": {"features": {"seen": [f"torchvision:{EVIL} {EVIL}", EVIL]}}},
    **{
        f"protocol {key}": of_protocol(**{key: EVIL})
        for key in (*PROTOCOL_FIELDS, "extractor_learned_from", "discriminator_saw")
    },
    "networks of a protocol": of_protocol(discriminator_saw=[EVIL]),
    "metric": {"metric": {"name": EVIL, "fid": 2.0, EVIL: 1.0, "protocol": {EVIL: EVIL}}},
    "figure of a name": {"metric": {f"fid_{EVIL}": 1.0, "protocol": protocol_of()}},
}
"""What a file may say of itself, by what is odd in it; its fingerprint is refused where it is none."""


@pytest.mark.parametrize("what", EVIL_ENTRIES)
def test_nothing_that_a_file_says_of_itself_is_markup(
    write_generator: WriteGenerator, what: str
) -> None:
    given = {"num_classes": 0, "config": {}, **EVIL_ENTRIES[what]}
    file = write_generator(num_classes=given.pop("num_classes"))
    tensors, entries = read_weights(file)
    texts = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()
    }
    write_tensors(file, tensors, {**entries, **texts})
    text = card_text(card_facts(read_generator(file)), license_id=None)
    text.encode()
    outside = re.sub(r"^```\w*\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#.*", outside, flags=re.MULTILINE)
    assert headings == ["# A generator of RGB images of 8x8 pixels", *HEADINGS]
    plain = re.sub(r"\\.|`[^`\n]*`", "", outside)  # without what is escaped, and code
    for markup in MARKUP:
        assert plain.count(markup) == 1
        plain = plain.replace(markup, "")
    assert not re.search(r"[<>\[`]", plain)
    assert {line.count("|") for line in plain.splitlines()} <= {0, 3, 8}
    assert text.count("\n```") == 6
