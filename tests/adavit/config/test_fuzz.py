"""Settings, grids and sweeps with anything in them: accepted, or refused in lines that name them."""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config, flatten, read_config_file
from adavit.config.mistakes import explain
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.errors import UserError
from adavit.experiments.grid_file import read_grid
from adavit.experiments.sweep_file import read_sweep
from adavit.runtime.resolution import Resolution
from adavit.training.start.footprint import least_bytes
from adavit.training.start.workload import total_images
from tests.references.odd_values import ODD_VALUES, changed, outcome

pytestmark = pytest.mark.slow

VIT = {"kind": "vit", "patch": 4, "width": 64, "depth": 2, "heads": 2, "mlp_ratio": 2.0}


def one_setting(chance: random.Random) -> dict[str, Any]:
    """A layer with one or two settings of a run at odd values."""
    keys = [*flatten(RunConfig().as_dict()), *(f"discriminator.{key}" for key in VIT), "a.b"]
    layer: dict[str, Any] = {"discriminator": dict(VIT)} if chance.random() < 0.3 else {}
    for _ in range(chance.choice([1, 1, 2])):
        section, _, key = chance.choice(keys).partition(".")
        layer.setdefault(section, {})[key] = chance.choice(ODD_VALUES)
    return layer


def resolved_run(path: Path, facts: RunFacts) -> ResolvedConfig:
    config = build_config([read_config_file(path)])
    try:
        return resolve(config, facts)
    except ValidationError as error:
        raise UserError("\n".join(explain(error, config.as_dict()))) from None


def test_settings_are_resolved_or_refused(tmp_path: Path) -> None:
    chance, resolved, path = random.Random(0), 0, tmp_path / "config.yaml"
    for _ in range(1200):
        path.write_text(yaml.safe_dump(one_setting(chance)))
        facts = RunFacts(
            Resolution.of(chance.choice([4, 32, 256])), 200, chance.choice(["cpu", "cuda"])
        )
        run, refusal = outcome(partial(resolved_run, path, facts))
        if refusal:
            continue
        resolved += 1
        assert total_images(run.training) >= run.training.batch
        assert least_bytes(run) > 0
    assert 150 < resolved < 1000


@pytest.mark.parametrize(
    ("read", "values"),
    [
        (
            read_grid,
            {
                "name": "g",
                "description": "d",
                "base": {"training": {"batch": 8}},
                "axes": {"run.seed": [0, 1], "aug": {"off": {"augment": {"mode": "none"}}}},
                "baseline": {"aug": "off"},
            },
        ),
        (
            read_sweep,
            {
                "name": "s",
                "base": {"training": {"batch": 8}},
                "search": {
                    "training.r1_gamma": {"low": 0.1, "high": 10, "log": True},
                    "run.seed": [0, 1],
                },
                "metric": "fid",
                "trials": 3,
            },
        ),
    ],
    ids=["grid", "sweep"],
)
def test_experiments_are_read_or_refused(
    read: Callable[[str], Any], values: dict[str, Any], tmp_path: Path
) -> None:
    chance, accepted, path = random.Random(0), 0, tmp_path / "file.yaml"
    for _ in range(600):
        path.write_text(yaml.safe_dump(changed(values, chance, ODD_VALUES)))
        accepted += not outcome(lambda: read(str(path)).as_yaml())[1]
    assert 0 < accepted < 600
