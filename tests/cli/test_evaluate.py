import dataclasses
import errno
import json
from pathlib import Path

import pytest

from adavit.evaluation.protocol import PROTOCOLS
from tests.cli.conftest import TINY, Adavit


def test_a_run_is_evaluated_in_full_and_compared(adavit: Adavit, pictures: Path) -> None:
    adavit("train", "--data", pictures, "--out", "run", *TINY)
    flags = ["--extractor", "random", "--fakes", "30", "--json", "--out", "record.json"]
    metrics = "fid, kid,precision,recall,density,coverage,ppl,fid_infinity"
    scored = adavit("evaluate", "run", "--metrics", metrics, *flags)
    assert scored.code == 0, scored.err
    record = json.loads(scored.out)  # nothing but the record on standard output
    assert json.loads(Path("record.json").read_text()) == record
    assert [json.loads(Path("run/evaluations.jsonl").read_text())] == [record]
    assert {"fd_random", "recall_random", "ppl_random", "fd_infinity_random"} < record.keys()
    assert "biased upwards" in scored.err
    table = adavit("compare", "run", "record.json")
    assert table.code == 0, table.err
    assert "fd_random" in table.out
    assert "30 vs 24" in table.out


def test_a_named_protocol_is_written_into_the_record(
    adavit: Adavit, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = dataclasses.replace(PROTOCOLS["fewshot5k"], fakes=20)  # 5,000 take their time
    monkeypatch.setitem(PROTOCOLS, "fewshot5k", row)
    adavit("train", "--data", pictures, "--out", "run", "--subset", "16", *TINY, "--metrics", "")
    scored = adavit(
        *"evaluate run --json --extractor random --protocol fewshot5k --metrics kid".split()
    )
    assert scored.code == 0, scored.err
    protocol = json.loads(scored.out)["protocol"]
    assert (protocol["name"], protocol["n_fake"], protocol["n_real"]) == ("fewshot5k", 20, 16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nothing", "SOURCE 'nothing' does not exist and is not a known name"),
        ("pictures", "--data has no default"),
        ("pictures --data pictures --metrics fdi", "Did you mean fid"),
        ("pictures --data pictures --metrics ,", "must name each metric once"),
        ("pictures --data pictures --extractor vgg", "extractor is 'vgg'"),
        ("pictures --data pictures --extractor torchvision:x:y", "y is not a file"),
        ("pictures --data pictures --protocol quick6k", "quick6k"),
        ("pictures --data pictures --protocol quick5k", "has 24"),
        ("pictures --data pictures --fakes 1", "--fakes"),
        (
            "pictures --data pictures --fakes 9 --metrics is,kid --extractor inception"
            " --inception-weights no.pth",
            "--inception-weights no.pth is not a file",
        ),
        (
            "pictures --data pictures --fakes 9 --metrics fid_infinity",
            "Generate more. --fakes says how many a generator draws.",
        ),
        ("pictures --data pictures --out no/x.json", "--out 'no/x.json' cannot be written"),
        ("pictures --data pictures --metrics is", "has no classes"),
        ("pictures --data pictures --metrics kinds", "extractor random recognises nothing"),
        ("pictures --data pictures --extractor drawn", "it knows nothing, expected drawings of"),
        (
            "pictures --data small_set:x",
            "--data 'small_set:x' does not exist and names no drawings",
        ),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_code_2(
    adavit: Adavit, pictures: Path, arguments: str, message: str
) -> None:
    flags = [] if "--extractor" in arguments else ["--extractor", "random"]
    outcome = adavit("evaluate", *arguments.split(), *flags)
    assert outcome.code == 2, outcome.err
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


def test_a_table_is_printed_that_explains_what_real_images_score(
    adavit: Adavit, pictures: Path
) -> None:
    scored = adavit(*"evaluate pictures --data pictures --extractor random --metrics fid".split())
    assert scored.code == 0, scored.err
    lines = scored.out.splitlines()
    assert lines[0].startswith("pictures: 24 fakes, against 24 real images of pictures")
    row = next(line for line in lines if line.startswith("fd_random"))
    assert row.split()[2] == "24"
    assert "lower is better; random network, so no FID" in row
    assert "halves: what 12 real images score against the same number of others." in lines
    assert "{" not in scored.out


def test_help_explains_metrics_protocols_and_extractors(adavit: Adavit) -> None:
    text = " ".join(adavit("evaluate", "--help").out.split())
    for words in ("train50k: 50,000 fakes", "torchvision:ARCH:FILE", "Lower is better", "adavit"):
        assert words in text


def test_a_conditional_run_is_evaluated_with_the_labels_it_was_trained_on(
    adavit: Adavit, pictures: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for index, path in enumerate(sorted(pictures.rglob("*.png"))):
        (flat / f"{index}.png").write_bytes(path.read_bytes())
    adavit("train", "--data", pictures, "--metric-data", flat, "--cond", "--out", "run", *TINY)
    scored = adavit("evaluate", "run", "--json", "--extractor", "random", "--which", "last")
    assert scored.code == 0, scored.err
    in_training = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])
    assert json.loads(scored.out)["fd_random"] == in_training["fd_random"]


def test_figures_are_printed_before_a_full_disk_is_met(
    adavit: Adavit, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, values: dict[str, object]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("adavit.cli.evaluate.write_record", full)
    flags = ["--json", "--extractor", "random", "--out", "record.json"]
    scored = adavit("evaluate", pictures, "--data", pictures, *flags)
    assert scored.code == 1
    assert json.loads(scored.out)["fd_random"] >= 0
    assert "the disk is full (while writing record.json)" in scored.err
