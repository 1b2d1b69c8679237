import re
import shlex
import signal
from pathlib import Path

import pytest

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config, merge
from adavit.config.run import ResolvedConfig
from adavit.runs.directory import RunDirectory
from adavit.runtime.resolution import Resolution
from adavit.training.endings import (
    best_words,
    collapse_warning,
    diverged,
    last_words,
    steadier_settings,
    stopped,
    why_over,
    without_device,
)
from adavit.training.progress import Progress

RUN = RunDirectory(Path("run"))
GO_ON = "adavit train --resume run"
Layer = dict[str, dict[str, object]]


def config_of_run(layer: Layer) -> ResolvedConfig:
    return resolve(build_config([layer]), RunFacts(Resolution(32, 32), 1000, "cpu"))


CONFIG = config_of_run({})


def at(images: int, *, checkpoint: int, skipped: int = 0) -> Progress:
    progress = Progress(images=images, skipped_in_a_row=skipped)
    progress.done_at["checkpoint"] = checkpoint
    return progress


def collapsed() -> Progress:
    progress = Progress()
    for images, figure in ((0, 410.0), (20_000, 12.25), (40_000, 13.0), (60_000, 300.0)):
        progress.measured("fid", {"images": images, "fid": figure})
    return progress


@pytest.mark.parametrize(
    ("skipped", "behind", "left"),
    [
        (0, False, "the checkpoint is written"),
        (4, False, "the checkpoint is written"),  # of a run that has ended so
        (
            1,
            True,
            "the last step was skipped, as numbers were not finite, so the checkpoint is still that of 0.5 kimg",
        ),
        (
            7,
            True,
            "the last 7 steps were skipped, as numbers were not finite, so the checkpoint is still that of 0.5 kimg",
        ),
    ],
)
def test_who_stops_a_run_is_told_of_the_checkpoint_that_there_is(
    skipped: int, behind: bool, left: str
) -> None:
    progress = at(600, checkpoint=500, skipped=skipped)
    found = stopped(signal.SIGTERM, progress, RUN, is_behind=behind)
    assert (found.signal_number, found.go_on, found.left) == (signal.SIGTERM, GO_ON, left)


def test_a_run_whose_device_fails_names_its_checkpoint_and_how_it_goes_on(tmp_path: Path) -> None:
    error = RuntimeError("CUDA driver error: gone\nSearch for it")
    failed = "the device failed (CUDA driver error: gone), expected it to work."
    good = " run/checkpoint.pt, of 40 kimg, is good."
    go_on = f" Where it fails again, take another one (--device). Go on with: {GO_ON}"
    assert str(without_device(error, at(40_100, checkpoint=40_000), RUN)) == failed + good + go_on
    assert str(without_device(error, Progress(), RUN)) == failed + go_on
    cell = RunDirectory(tmp_path)
    cell.cell_note.touch()
    assert "--resume" not in str(without_device(error, Progress(), cell))


def test_the_checkpoint_that_is_good_is_named() -> None:
    progress = at(40_100, checkpoint=40_000)
    progress.sane_at = 20_000
    assert str(diverged("it is", progress, None, CONFIG)).startswith(
        "training diverged: it is, at 40.1 kimg. The checkpoint of 40 kimg is good;"
    )
    assert str(diverged("it is", progress, RUN.sound_checkpoint, CONFIG)).startswith(
        "training diverged: it is, at 40.1 kimg. run/checkpoint-sound.pt is good;"
    )
    assert str(diverged("it is", Progress(), None, CONFIG)).startswith(
        "training diverged: it is, at 0.0 kimg. Start a new run with"
    )


PROJECTED: Layer = {
    "discriminator": {"kind": "projected"},
    "features": {"network": "torchvision:resnet18"},
}


@pytest.mark.parametrize(
    ("layer", "penalty"),
    [
        ({}, "r1_gamma"),
        ({"training": {"r1_gamma": 0}}, "r1_gamma"),
        ({"training": {"loss": "wasserstein", "gradient_penalty": 10}}, "gradient_penalty"),
        (PROJECTED, None),
        ({**PROJECTED, "training": {"penalty": "approximate"}}, "r1_gamma"),
    ],
    ids=["default", "without R1", "WGAN-GP", "projected", "projected, approximate"],
)
def test_what_is_to_keep_a_new_run_from_diverging_goes_with_its_settings(
    layer: Layer, penalty: str | None
) -> None:
    config = config_of_run(layer)
    told = steadier_settings(config)
    assert re.findall(r"training\.(\w+)", told) == ([] if penalty is None else [penalty])
    training = config.training
    wanted: dict[str, float] = {
        "generator_lr": training.generator_lr / 2,
        "discriminator_lr": training.discriminator_lr / 2,
    }
    if penalty is not None:
        wanted[penalty] = getattr(training, penalty) + 1
    assert "smaller learning rates" in told
    config_of_run(merge(layer, {"training": wanted}))
    for line in (
        str(diverged("it is", Progress(), None, config)),
        collapse_warning(collapsed(), RUN, None, config),
    ):
        assert f" a new run with {told}." in line


@pytest.mark.parametrize("set_aside", [True, False])
def test_a_collapse_is_one_line_with_figures_and_files(set_aside: bool) -> None:
    progress = collapsed()
    sound = RUN.sound_checkpoint if set_aside else None
    line = collapse_warning(progress, RUN, sound, CONFIG)
    assert line.startswith(
        "Warning: fid has collapsed: 300 at 60 kimg; the best is 12.25, of 20 kimg, and the first was 410."
    )
    assert "the best generator as run/generator-best.safetensors" in line
    assert "\n" not in line
    assert ("the last sound checkpoint as run/checkpoint-sound.pt" in line) is set_aside
    assert ("--transfer run/checkpoint-sound.pt" in line) is set_aside


def test_the_docs_quote_what_a_collapse_is_told_by() -> None:
    progress, run = Progress(), RunDirectory(Path("collapsed"))
    progress.measured("fd_drawn", {"images": 0, "fd_drawn": 13.01})
    progress.measured("fd_drawn", {"images": 2512, "fd_drawn": 43.76})
    page = Path(__file__).parents[3] / "docs" / "reading-a-run.md"
    told = collapse_warning(progress, run, run.sound_checkpoint, CONFIG)
    assert told in " ".join(page.read_text(encoding="utf-8").split())


def test_a_best_network_that_is_untrained_is_called_so() -> None:
    record = {"name": "fd_random", "fd_random": 97.234, "images": 0}
    untrained = {**record, "untrained": True}
    assert best_words(untrained) == "best fd_random 97.23 at 0 kimg (the untrained network)"
    assert best_words(record) == "best fd_random 97.23 at 0 kimg"  # of a network from elsewhere
    assert best_words({**record, "images": 1500}) == "best fd_random 97.23 at 1.5 kimg"


def test_a_run_is_over_at_its_end_and_where_it_no_longer_improves() -> None:
    progress = Progress(images=4000)
    assert why_over(progress, 8000, 2.0) is None
    progress.measured("fid", {"images": 4000, "fid": 30.0})
    progress.images = 6000
    assert why_over(progress, 8000, 2.0) is None  # measured at 4 kimg only
    progress.measured("fid", {"images": 6000, "fid": 31.0})
    progress.done("metrics")
    assert why_over(progress, 8000, None) is None
    assert why_over(progress, 8000, 2.5) is None
    assert why_over(progress, 8000, 2.0) == (
        "Stopped early after 2 kimg without improvement; best fid 30 at 4 kimg"
    )
    assert why_over(progress, 6000, None) == "Finished at 6 kimg; best fid 30 at 4 kimg"


def test_who_is_done_is_told_what_draws_from_the_run_and_a_cell_is_not(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "my run")
    run.path.mkdir()
    where, draw = last_words("Finished at 1 kimg", "", run).split("\n")
    assert where == f"Finished at 1 kimg. Everything is in {run.path}."
    for command in ("generate", "studio"):  # as a shell reads them
        assert f"adavit {command} {shlex.quote(str(run.path))} " in draw
    run.cell_note.write_text("{}", encoding="utf-8")
    assert last_words("Finished at 1 kimg", "", run) == where
