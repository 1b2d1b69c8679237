import json
from pathlib import Path

import pytest
import yaml

from adavit.config.run import RunConfig
from tests.cli.conftest import Adavit

TINY = """
name: tiny
base:
  data: {val_fraction: 0.2}
  generator: {latent_dim: 8, style_dim: 8, channel_base: 64, channel_max: 8}
  discriminator: {kind: vit, width: 16, heads: 2, depth: 1}
  training: {total_kimg: 0.032, batch: 8}
  metrics: {extractor: random, fakes: 20}
axes:
  augmentation:
    none: {augment: {mode: none}}
    some: {augment: {mode: fixed, p: 0.5}}
baseline: {augmentation: none}
"""


def test_a_grid_is_trained_and_shown(adavit: Adavit, pictures: Path) -> None:
    Path("tiny.yaml").write_text(TINY)
    outcome = adavit(
        "ablate", "tiny.yaml", "--data", pictures, "--set", "training.batch=4", "--devices", "cpu"
    )
    assert outcome.code == 0, outcome.err
    assert "Grid tiny: 2 cells in runs/ablations/tiny." in outcome.out
    assert "[some] Finished at 0.032 kimg" in outcome.out
    assert "\n\n" not in outcome.out.strip(), "the settings of a cell are in its log alone"
    assert "none (baseline)" in outcome.out
    configs = [
        RunConfig.model_validate(yaml.safe_load(path.read_text()))
        for path in Path("runs/ablations/tiny").glob("*/config.yaml")
    ]
    assert [config.training.batch for config in configs] == [4, 4]
    assert [config.run.device for config in configs] == ["cpu", "cpu"]

    seeds = adavit(
        "ablate", "tiny.yaml", "--data", pictures, "--seeds", "0-2", "--out", "other", "--dry-run"
    )
    assert seeds.code == 0, seeds.err
    assert "6 cells in other" in seeds.out
    assert "some, seed 2" in seeds.out
    assert not Path("other").exists()


def test_failed_cells_are_named_and_make_the_exit_code_1(
    adavit: Adavit, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.training.trainer.SKIPPED_STEPS_ALLOWED", 4)  # of 50, soon there
    diverging = TINY.replace("axes:\n", "axes:\n  training.generator_lr: [1.0e+30]\n").replace(
        "total_kimg: 0.032", "total_kimg: 4"
    )
    Path("tiny.yaml").write_text(diverging)
    outcome = adavit("ablate", "tiny.yaml", "--data", pictures, "--out", "out")
    assert outcome.code == 1
    assert "training diverged" in outcome.err
    assert "2 of 2 cells have failed" in outcome.err
    assert "--retry-failed" in outcome.err
    notes = [json.loads(path.read_text()) for path in Path("out").glob("*/cell.json")]
    assert [note["status"] for note in notes] == ["failed", "failed"]


def test_wrong_flags_are_named_in_one_line(adavit: Adavit, pictures: Path) -> None:
    Path("tiny.yaml").write_text(TINY)
    for arguments, message in [
        (["absent.yaml"], "'absent.yaml' is neither a file nor a shipped grid"),
        (["tiny.yaml", "--data", "nowhere"], "nowhere"),
        (["tiny.yaml", "--data", pictures, "--devices", "tpu"], "--devices names 'tpu'"),
        (["tiny.yaml", "--data", pictures, "--seeds", "x"], "--seeds"),
        (["tiny.yaml", "--data", pictures, "--set", "augment.mode=ada"], "an axis of grid"),
        (["tiny.yaml", "--data", pictures, "--set", "training.bach=3"], "training.batch"),
        (
            ["tiny.yaml", "--data", pictures, "--storage", "x"],
            "--storage is not a database URL",
        ),
        (["tiny.yaml", "--workers", "0"], "--workers"),
    ]:
        outcome = adavit("ablate", *arguments)
        assert outcome.code == 2, arguments
        assert message in outcome.err, outcome.err
        assert "Traceback" not in outcome.err


def test_help_names_the_shipped_grids(adavit: Adavit) -> None:
    outcome = adavit("ablate", "--help")
    assert outcome.code == 0
    assert "probability-cpu" in outcome.out
