import json
from pathlib import Path

import pytest

from adavit.diagnostics.leaks import probe
from tests.cli.conftest import TINY, Adavit


def test_leaks_looks_at_a_run_and_at_a_file(
    adavit: Adavit, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "STEPS", 2)
    trained = adavit(
        "train", "--data", pictures, "--out", "run", "--cond", "--val-fraction", "0.25", *TINY
    )
    assert trained.code == 0, trained.err

    leaking = adavit("leaks", "run", "--operations", "brightness, cutout", "--fakes", "10")
    assert leaking.code == 0, leaking.err
    assert "10 generated images" in leaking.out
    assert leaking.out.splitlines()[-1] == "Wrote leaks.json and leaks.png in run/diagnostics."
    record = json.loads(Path("run/diagnostics/leaks.json").read_text())
    assert [entry["operation"] for entry in record["operations"]] == ["brightness", "cutout"]

    by_file = adavit(
        "leaks", "run/generator-last.safetensors", "--augment", "cutout", "--out", "leaking"
    )
    assert by_file.code == 0, by_file.err
    assert Path("leaking/leaks.png").is_file()
