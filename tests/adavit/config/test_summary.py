import re
from typing import Any

import pytest

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config, preset_names, read_preset
from adavit.config.summary import WIDTH, summarise_settings
from adavit.runtime.resolution import Resolution


def summary(*layers: Any) -> str:
    config = build_config(layers)
    return summarise_settings(config, resolve(config, RunFacts(Resolution.of(32), 100, "cpu")))


def blocks(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """What is said by section, of the two blocks."""
    found: list[dict[str, str]] = [{}, {}]
    where, section = found[1], ""
    for line in text.splitlines():
        if not line.startswith(" "):
            where = found[0] if line == "Settings given:" else found[1]
        elif line[2] != " ":
            section = line.split()[0]
            where[section] = line.split(maxsplit=1)[1]
        else:
            where[section] += " " + line.strip()
    return found[0], found[1]


def test_what_was_given_and_what_was_chosen_stand_apart_and_defaults_nowhere() -> None:
    given, chosen = blocks(
        summary(
            {"data": {"source": "my photos"}, "training": {"batch": 8, "total_kimg": 0.5}},
            {"metrics": {"names": ["fid", "kid"]}, "data": {"mirror": True}},
        )
    )
    assert given["data"] == "source my photos, mirror true"
    assert given["training"] == "total_kimg 0.5, batch 8"
    assert "batch" not in chosen["training"]
    assert "r1_gamma 1," in chosen["training"]
    assert "channel_base 512" in chosen["generator"]
    assert chosen["data"] == "resolution 32"
    assert "seed" not in chosen["run"]
    assert "auto" not in " ".join(chosen.values())
    assert "features" not in chosen
    assert "chain_" not in chosen["training"]
    chosen = blocks(summary({"discriminator": {"normalization": "chain"}}))[1]
    assert ", chain_start_kimg 8, chain_speed_kimg 16, " in chosen["training"]
    given, chosen = blocks(summary({"features": {"network": "torchvision:resnet18"}}))
    assert given["features"] == "network torchvision:resnet18"
    assert chosen["features"] == ("side 64, mixing none, normalization none, minibatch_std_group 4")


def test_every_setting_that_was_left_open_is_said() -> None:
    config = build_config([{"discriminator": {"kind": "vit"}}])
    still_open = {"extractor", "device"}  # until the run is prepared
    given, chosen = blocks(summary({"discriminator": {"kind": "vit"}}))
    assert given["discriminator"] == "kind vit"
    assert blocks(summary({"metrics": {"names": []}}))[0]["metrics"] == "names none"
    for section in ("generator", "discriminator", "training", "metrics", "run"):
        open_keys = [
            key
            for key, value in config.as_dict()[section].items()
            if value == "auto" and key not in still_open and not key.startswith("chain_")
        ]
        assert re.findall(r"(?:^|, )(\w+) ", chosen[section]) == open_keys


def test_a_microbatch_that_follows_from_the_processes_is_said() -> None:
    config = build_config([{"training": {"batch": 24}}])
    resolved = resolve(config, RunFacts(Resolution.of(32), 100, "cpu", processes=3))
    assert "microbatch 8, " in blocks(summarise_settings(config, resolved))[1]["training"]
    given = build_config([{"training": {"batch": 24, "microbatch": 4}}])
    resolved = resolve(given, RunFacts(Resolution.of(32), 100, "cpu", processes=3))
    said, chosen = blocks(summarise_settings(given, resolved))
    assert said["training"] == "batch 24, microbatch 4"
    assert "microbatch" not in chosen["training"]


@pytest.mark.parametrize("preset", [None, *preset_names()])
def test_it_is_short_and_narrow(preset: str | None) -> None:
    layers = [] if preset is None else [read_preset(preset)]
    lines = summary({"data": {"source": "photos"}}, *layers).splitlines()
    assert len(lines) <= 22
    assert all(len(line) <= WIDTH for line in lines)
