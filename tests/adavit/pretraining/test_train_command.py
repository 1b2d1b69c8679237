import shlex
from collections.abc import Callable
from typing import Any

import pytest

from adavit.cli.main import main
from adavit.config.pretraining import PretrainConfig
from adavit.config.run import RunConfig
from adavit.pretraining.loop import discriminator_arguments
from adavit.pretraining.pretrain import pretrain, resume_pretraining
from adavit.runs.trunk_file import read_trunk
from adavit.runtime.console import SilentConsole
from adavit.training.start.build import first_step, read_start
from adavit.training.start.workload import Workload
from tests.telling import Told

Layer = dict[str, dict[str, Any]]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], RunConfig]:
    """The configuration that a line makes where it is typed."""

    def call(line: str) -> RunConfig:
        built: list[RunConfig] = []
        monkeypatch.setattr("sys.argv", [*shlex.split(line), "--dry-run"])
        monkeypatch.setattr(
            "adavit.training.plan.describe_plan", lambda config, *_, **__: built.append(config)
        )
        main()
        (config,) = built
        return config

    return call


def line_of(console: Told) -> str:
    (result,) = console.results
    return result.splitlines()[-1].removeprefix("Train with it: ")


def run_of(config: RunConfig) -> tuple[Workload, list[str]]:
    """A run of a configuration, and what it takes over from its trunk."""
    config = config.model_copy(update={"metrics": config.metrics.model_copy(update={"names": ()})})
    start = read_start(config)
    workload = start.prepare(config, SilentConsole())
    return workload, first_step(workload, start)[1]


def of_trunk(workload: Workload) -> dict[str, Any]:
    return discriminator_arguments(workload) | {"minibatch_std_group": 0}


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({}, "--val-fraction 0.25 --set discriminator.patch=4 --set discriminator.width=16"),
        ({"discriminator": {"width": 48, "heads": 1}}, "width=48 --set discriminator.depth=1"),
        # Six heads are those of the usual width. Of this one there would be four of 42 features, no heads for rope2d.
        (
            {"discriminator": {"width": 168, "heads": 6, "position_embedding": "rope2d"}},
            "discriminator.width=168",
        ),
        (
            {
                "data": {"resolution": "8x16", "channels": "grey", "subset": 20, "mirror": True},
                "discriminator": {"patch": "2x4", "mlp_ratio": 3, "layer_scale": 1e-6},
                "run": {"seed": 5, "device": "cpu"},
            },
            "--resolution 8x16 --channels grey --subset 20 --val-fraction 0.25 --mirror --seed 5 --device cpu",
        ),
        (
            {
                "discriminator": {
                    "attention": "l2",
                    "readout": "gap",
                    "stem": "conv",
                    "registers": 1,
                }
            },
            "discriminator.attention=l2",
        ),
    ],
)
def test_the_run_that_is_typed_takes_the_whole_trunk(
    tiny: Callable[..., PretrainConfig],
    typed: Callable[[str], RunConfig],
    layer: Layer,
    words: str,
) -> None:
    console = Told()
    trunk = read_trunk(pretrain(tiny(layer), console=console))
    line = line_of(console)
    assert words in line
    workload, told = run_of(typed(line))
    assert of_trunk(workload) == trunk.arguments
    assert workload.config.features.seen == ()  # it trains on the images that the trunk has learnt
    count = len(trunk.state())
    assert told == [
        f"Loaded {count} of {count} tensors of the discriminator's trunk from {trunk.path}."
    ]


def test_what_is_chosen_anyway_is_not_typed_also_where_it_went_on(
    tiny: Callable[..., PretrainConfig],
) -> None:
    usual = {
        "data": {"val_fraction": None},
        "discriminator": {"width": "auto", "heads": "auto", "depth": "auto", "patch": "auto"},
    }
    began, went_on = Told(), Told()
    file = pretrain(tiny(usual), console=began)
    resume_pretraining(file.parent, console=went_on)
    assert line_of(began).endswith("/trunk.safetensors --resolution 16")
    assert line_of(went_on) == line_of(began)
