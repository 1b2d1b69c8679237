"""Runs whose discriminator saw a pretrained network beside others: no command puts their figures in a wrong order."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torchvision.models import squeezenet1_1

from adavit.evaluation.compare import NOT_RANKED
from tests.cli.conftest import TINY, Adavit
from tests.inception_stand_in import choose_stand_in

FEATURES = "torchvision:squeezenet1_1:squeeze.pth"
INCEPTION = [*TINY[: TINY.index("--extractor")], "--extractor", "inception"]


@pytest.fixture(autouse=True)
def networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adavit.evaluation.scoring.choose_extractor", choose_stand_in)
    torch.manual_seed(0)
    torch.save(squeezenet1_1(weights=None).state_dict(), "squeeze.pth")


@pytest.fixture
def runs(adavit: Adavit, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = ("train", "--data", pictures, *INCEPTION, "--out")
    for arguments in (("runs/plain",), ("runs/marked", "--features", FEATURES)):
        outcome = adavit(*train, *arguments)
        assert outcome.code == 0, outcome.err


def records(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.mark.usefixtures("runs")
def test_such_a_run_is_decided_by_what_its_discriminator_has_not_seen(adavit: Adavit) -> None:
    config = yaml.safe_load(Path("runs/marked/config.yaml").read_text())
    assert config["metrics"]["extractor"] == ["random", "inception"]
    assert yaml.safe_load(Path("runs/plain/config.yaml").read_text())["metrics"]["extractor"] == [
        "inception"
    ]
    marked, plain = (records(f"runs/{run}/metrics.jsonl")[-1] for run in ("marked", "plain"))
    assert "fd_random" in marked
    assert "fid" not in marked
    assert [set(each) & {"fid", "kid"} for each in marked["beside"]] == [{"fid", "kid"}]
    assert "fid" in plain
    assert "beside" not in plain

    (runs,) = [json.loads(adavit("runs", "--json").out)]
    by_name = {Path(run["run"]).name: run for run in runs}
    assert by_name["marked"]["metric"] == "fd_random"
    assert (by_name["marked"]["flattered"], by_name["plain"]["flattered"]) == (False, False)
    listed = adavit("runs").out
    assert "vit + pretrained features" in listed
    assert "pretrained features: training saw images through" in listed

    shown = adavit("evaluate", "runs/marked", "--extractor", "inception", "--out", "fid.json").out
    assert "runs/marked (pretrained features): 20 fakes" in shown
    found = json.loads(Path("fid.json").read_text())
    assert "fid" in found  # what was asked for by name comes first
    assert "fd_random" in found["beside"][0]
    default = json.loads(adavit("evaluate", "runs/marked", "--json").out)
    assert "fd_random" in default
    assert "fid" in default["beside"][0]


@pytest.mark.usefixtures("runs")
def test_compare_and_report_do_not_rank_flattered_figures_unless_told_to(adavit: Adavit) -> None:
    apart = adavit("compare", "runs/plain", "runs/marked").out
    assert NOT_RANKED in apart
    assert "fd_random" in apart
    assert "│" not in apart  # no table, so no order
    anyway = adavit("compare", "runs/plain", "runs/marked", "--anyway").out
    assert "runs/marked (pretrained features)" in anyway
    assert anyway.count("(flattered)") == 2  # fid and kid
    assert adavit("evaluate", "runs/plain", "--extractor", "random").code == 0
    remedied = adavit("compare", "runs/plain", "runs/marked", "--format", "json").out
    columns = {column["name"]: column for column in json.loads(remedied)["columns"]}
    assert None not in columns["fd_random"]["values"]

    assert adavit("report", "runs", "--out", "apart.html").code == 0
    table = json.loads(Path("apart.json").read_text())
    holders = [
        {row["label"] for row in table["rows"] if column["key"] in row["figures"]}
        for column in table["columns"]
        if column["name"] == "fid"
    ]
    assert [len(labels) for labels in holders] == [1, 1, 1, 1]  # best and last, of either run
    assert "(pretrained features)" in Path("apart.md").read_text()
    page = Path("apart.html").read_text()
    assert '<span class="mark dim">pretrained features</span>' in page
    assert "Pretrained features: training saw images through" in page

    assert adavit("report", "runs", "--out", "anyway.html", "--anyway").code == 0
    table = json.loads(Path("anyway.json").read_text())
    keys = [column["key"] for column in table["columns"] if column["name"] == "fid"]
    assert len(keys) == 2
    assert all(key in row["figures"] for row in table["rows"] for key in keys)
    assert [row["flattered"] for row in table["rows"] if row["seen"]] == [["fid", "kid"]]
    assert "(flattered)" in Path("anyway.md").read_text()

    refused = adavit("report", "--merge", "anyway.json", "--out", "merged.md")
    assert refused.code == 2
    assert "--anyway" in refused.err
    assert adavit("report", "--merge", "anyway.json", "--out", "merged.md", "--anyway").code == 0


@pytest.mark.usefixtures("runs")
def test_drawn_folders_are_ranked_no_other_than_their_runs(adavit: Adavit, pictures: Path) -> None:
    for run in ("plain", "marked"):
        drawn = adavit("generate", f"runs/{run}", "--seeds", "0-19", "--out", f"drawn/{run}")
        assert drawn.code == 0, drawn.err
        asked = ("--extractor", "inception", "--out", f"{run}.json")
        outcome = adavit("evaluate", f"drawn/{run}", "--data", pictures, *asked)
        assert outcome.code == 0, outcome.err
        assert "unknown discriminator" not in outcome.err
    assert "drawn/marked (pretrained features): 20 fakes" in outcome.out
    assert "fd_random" in outcome.out
    apart = adavit("compare", "plain.json", "marked.json").out
    assert NOT_RANKED in apart
    assert "│" not in apart  # no table, so no order
    anyway = adavit("compare", "plain.json", "marked.json", "--anyway").out
    assert "marked.json (pretrained features)" in anyway
    assert anyway.count("(flattered)") == 3  # fid, kid and kid_subsets


@pytest.mark.usefixtures("runs")
def test_the_mark_goes_through_a_chain_of_transfers_and_a_copied_generator(
    adavit: Adavit, pictures: Path
) -> None:
    for source, heir in (("marked", "child"), ("child", "grandchild")):
        outcome = adavit(
            *("train", "--data", pictures, *INCEPTION),
            *("--out", f"runs/{heir}", "--transfer", f"runs/{source}"),
        )
        assert outcome.code == 0, outcome.err
    for heir in ("child", "grandchild"):
        record = records(f"runs/{heir}/metrics.jsonl")[-1]
        (seen,) = record["protocol"]["discriminator_saw"]
        assert seen.startswith("torchvision:squeezenet1_1 ")
        assert "fd_random" in record
    Path("copied.safetensors").write_bytes(
        Path("runs/grandchild/generator-best.safetensors").read_bytes()
    )
    copied = ("evaluate", "copied.safetensors", "--data", pictures, "--json")
    assert json.loads(adavit(*copied).out)["protocol"]["discriminator_saw"] == [seen]
    # A configuration that is used again for a run without such features brings no mark along.
    fresh = adavit(
        *("train", "--config", "runs/marked/config.yaml", "--set", "features.network=null"),
        *("--out", "fresh"),
    )
    assert fresh.code == 0, fresh.err
    assert records("fresh/metrics.jsonl")[-1]["protocol"]["discriminator_saw"] is None


def test_images_without_a_record_are_called_unknown(adavit: Adavit, pictures: Path) -> None:
    outcome = adavit("evaluate", pictures, "--data", pictures, "--out", "drawn.json")
    assert outcome.code == 0, outcome.err
    assert "unknown discriminator: no record says what judged these images" in outcome.err
    assert json.loads(Path("drawn.json").read_text())["protocol"]["discriminator_saw"] == "unknown"
    assert "drawn.json (unknown discriminator)" in adavit("compare", "drawn.json").out


GRID = f"""
name: mixed
base:
  generator: {{latent_dim: 8, style_dim: 8, channel_base: 64, channel_max: 8}}
  discriminator: {{kind: vit, width: 16, heads: 2, depth: 1}}
  training: {{total_kimg: 0.032, batch: 8}}
  metrics: {{fakes: 20}}
axes:
  critic:
    without: {{}}
    with: {{features: {{network: "{FEATURES}"}}}}
baseline: {{critic: without}}
"""


def test_a_grid_with_such_cells_is_judged_by_what_none_of_them_has_seen(
    adavit: Adavit, pictures: Path
) -> None:
    Path("mixed.yaml").write_text(GRID)
    arguments = ("ablate", "mixed.yaml", "--data", pictures, "--out", "cells", "--devices", "cpu")
    outcome = adavit(*arguments)
    assert outcome.code == 0, outcome.err
    rows = [line.split("  ") for line in outcome.out.splitlines() if "  fd_random  " in line]
    assert [row[0] for row in rows] == ["without (baseline)", "with (pretrained features)"]
    assert "pretrained features: training saw images through" in outcome.out
    for log in Path("cells").glob("*/metrics.jsonl"):
        assert "fid" in records(str(log))[-1]["beside"][0]
    again = adavit(*arguments)  # a marked cell is known again
    assert again.code == 0, again.err
    Path("cells/queue.sqlite3").unlink()
    from_scratch = adavit(*arguments)
    assert from_scratch.code == 0, from_scratch.err
    assert "Finished already" in from_scratch.out
