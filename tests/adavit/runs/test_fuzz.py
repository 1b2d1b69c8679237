"""Files of generators, trunks, records and logs with anything in them: read, or refused in a line."""

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.runs.generator_file import read_generator
from adavit.runs.json_lines import append_record
from adavit.runs.records import cut_back, read_evaluations, read_record, read_records
from adavit.runs.trunk_file import read_trunk
from adavit.runs.weights_file import write_weights
from tests.adavit.conftest import ARGUMENTS
from tests.networks import GENERATOR, make_generator
from tests.references.odd_values import ODD_VALUES, changed, outcome

pytestmark = pytest.mark.slow

SEED, INPUTS = 0, 300
FINGERPRINT = "ab" * 32
SMALL = {**GENERATOR, "resolution": 8, "num_classes": 3, "channel_base": 64, "channel_max": 8}


def odd_metadata(entries: dict[str, Any], chance: random.Random) -> dict[str, str]:
    """Metadata of which one entry is something else; the digests are right."""
    texts = {
        name: value if name == "data_fingerprint" and value == FINGERPRINT else json.dumps(value)
        for name, value in changed(entries, chance, ODD_VALUES).items()
    }
    if chance.random() < 0.1 and texts:
        texts[chance.choice(list(texts))] = chance.choice(
            ["", "[" * 5000, '{"a":', "9" * 5000, "\0"]
        )
    return texts


def test_a_generator_file_is_read_and_draws_or_is_refused(tmp_path: Path) -> None:
    chance, read = random.Random(SEED), 0
    generator, path = make_generator(**SMALL).eval(), tmp_path / "g.safetensors"
    entries = {
        "generator": SMALL,
        "config": {"data": {"source": "x"}},
        "data_fingerprint": FINGERPRINT,
        "images": 1234,
        "metric": {"name": "fid", "fid": 5.0},
        "classes": ["a", "b", "c"],
        "label_counts": [1, 2, 3],
    }
    for _ in range(INPUTS):
        write_weights(path, generator, odd_metadata(entries, chance))
        stored, refusal = outcome(lambda: read_generator(path))
        if refusal:
            continue
        read += 1
        latents = torch.randn(2, stored.generator.latent_dim)
        assert stored.generator(latents, torch.tensor([0, 2])).shape[0] == 2
        assert 0 <= stored.images < 2**53
        assert stored.label_counts is not None
        assert len(stored.label_counts) == len(stored.classes) == 3
    assert 0 < read < INPUTS


def test_a_trunk_file_is_read_or_is_refused(tmp_path: Path) -> None:
    chance, read = random.Random(SEED), 0
    encoder, path = ViTDiscriminator(**ARGUMENTS).encoder, tmp_path / "t.safetensors"
    entries = {
        "discriminator": ARGUMENTS,
        "config": {},
        "data_fingerprint": FINGERPRINT,
        "images": 5,
        "figures": {"accuracy": 0.5},
    }
    for _ in range(INPUTS):
        write_weights(path, encoder, odd_metadata(entries, chance))
        stored, refusal = outcome(lambda: read_trunk(path))
        read += not refusal
        assert refusal or 0 <= stored.images < 2**53
    assert 0 < read < INPUTS


def test_records_and_logs_are_read_or_left_out(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    record = {
        "images": 640,
        "fid": 5.0,
        "fid_floor": 1.0,
        "protocol": {"n_fake": 20, "settings": {"fid": "x"}},
    }
    log, path = tmp_path / "log.jsonl", tmp_path / "record.json"
    kept = 0
    for number in range(INPUTS):
        odd = changed(record, chance, ODD_VALUES)
        path.write_text(json.dumps(odd))
        outcome(partial(read_record, path))
        append_record(log, odd if isinstance(odd, dict) else {"odd": odd})
        if number % 7 == 0:
            junk = bytes(chance.randrange(256) for _ in range(30)).replace(b"\n", b" ")
            with log.open("ab") as file:
                file.write(junk + b"\n")
        append_record(log, record)
        kept += 1 + (odd == record)
        assert read_records(log).count(record) == kept
    read_evaluations(log)
    cut_back(log, 640)
    assert read_records(log).count(record) == kept
    cut_back(log, 639)
    assert all(entry["images"] < 640 for entry in read_records(log))
