"""Runs that go on from what a bad disk or a kill has left of them."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import adavit
from adavit.config.run import RunConfig
from adavit.errors import RunError, UserError
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.runs.checkpoint import load_checkpoint
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import read_generator
from adavit.runtime.console import SilentConsole, Status
from adavit.runtime.signals import Stopped
from adavit.training import trainer
from adavit.training.progress import Progress
from adavit.training.snapshots import Snapshots
from adavit.training.start.build import build_step
from adavit.training.start.transfer_source import read_source
from adavit.training.start.workload import prepare
from tests.adavit.conftest import draw_pictures, tiny_config
from tests.adavit.training.test_train import Killed, assert_same_bits, figures, final_state, kill
from tests.telling import Told

Tiny = Callable[..., RunConfig]
OFTEN = {
    "run": {"checkpoint_every_kimg": 0.016, "keep_checkpoints": 3},
    "metrics": {"every_kimg": 0.016},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 64 images that was never disturbed, with checkpoints at 64, 48 and 32."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAVIT_CACHE", str(folder / "cache"))
        pictures = draw_pictures(folder / "pictures")
        return adavit.train(tiny_config(pictures, folder / "whole", OFTEN))


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy to do harm to."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def assert_equal(run: Path, whole: Path) -> None:
    assert_same_bits(final_state(run), final_state(whole))
    for log in ("stats.jsonl", "metrics.jsonl"):
        assert figures(run / log) == figures(whole / log)
    for name in ("generator-best.safetensors", "generator-last.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("damaged", [0, 1, 2])
def test_a_run_goes_on_from_the_newest_whole_checkpoint_to_the_same_bits(
    run: Path, whole: Path, damaged: int
) -> None:
    for name in ("checkpoint.pt", "checkpoint-1.pt")[:damaged]:
        flip(run / name)
    console = Told()
    adavit.resume(run, console=console)
    said = [line for line in console.notes if line.startswith("Warning: checkpoint")]
    if damaged:
        (line,) = said
        assert "content is not what was written" in line
        assert line.endswith(f"checkpoint-{damaged}.pt, written before it, is taken instead.")
        assert f"Continuing {run} at {(0.064, 0.048, 0.032)[damaged]:g} kimg." in console.notes
    else:
        assert not said
    assert_equal(run, whole)
    # The damaged ones are gone, the one that was taken is the one before the newest.
    images = [
        load_checkpoint(path)["progress"]["images"] for path in sorted(run.glob("checkpoint*.pt"))
    ]
    assert sorted(images) == [32, 48, 64]


def test_a_generator_and_a_line_past_the_checkpoint_go_with_it(
    tiny: Tiny, run: Path, whole: Path
) -> None:
    """A kill after an evaluation that was the best, before the checkpoint, on a machine that rounds otherwise."""
    best = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    shutil.copy(run / "checkpoint-1.pt", run / "checkpoint.pt")
    foreign = adavit.train(tiny({"run": {"out": "foreign", "seed": 7}}))
    shutil.copy(foreign / "generator-last.safetensors", run / "generator-best.safetensors")
    with (run / "metrics.jsonl").open("a") as log:
        log.write(json.dumps({**best, "images": 56, "fd_random": 0.0}) + "\n")
    adavit.resume(run)
    assert_equal(run, whole)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    trained = [record for record in records if not record.get("untrained")]
    assert len(trained) == len(records) - 1
    lowest = min(trained, key=lambda record: record["fd_random"])
    stored = read_generator(run, which="best")
    assert (stored.images, stored.metric["fd_random"]) == (lowest["images"], lowest["fd_random"])


def test_an_evaluation_that_the_checkpoint_does_not_know_of_stands_once(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C during an evaluation, then twice a kill between the same evaluation and the next checkpoint."""
    score, seen = trainer.score_generator, [0]

    class Counting(SilentConsole):
        def __init__(self, killed_at: int | None = None) -> None:
            self.killed_at = killed_at

        def status(self, status: Status) -> None:
            seen[0] = status.images
            if status.images == self.killed_at:
                raise KeyError("as kill -9: nothing is written")

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if seen[0] == 32:
            os.kill(os.getpid(), signal.SIGINT)
        return score(*args, **kwargs)

    layer = {"metrics": {"every_kimg": 0.016}, "training": {"total_kimg": 0.064}}
    rare = {"run": {"checkpoint_every_kimg": 1}}
    monkeypatch.setattr(trainer, "score_generator", interrupted)
    with pytest.raises(Stopped):
        adavit.train(tiny(layer, rare), console=Counting())
    monkeypatch.setattr(trainer, "score_generator", score)
    run = tmp_path / "run"
    assert images_of(run / "checkpoint.pt") == 32
    for _ in range(2):
        with pytest.raises(KeyError):
            adavit.resume(run, console=Counting(killed_at=40))
    adavit.resume(run)
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["images"] for line in lines] == [0, 16, 32, 48, 64]


def test_a_run_begun_again_has_no_best_generator_from_before(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("adavit.training.snapshots.save_newest", kill)
        with pytest.raises(Killed):
            adavit.train(tiny({"metrics": {"names": []}}))
    # Of an evaluation that is not in the log.
    shutil.copy(run / "generator-last.safetensors", run / "generator-best.safetensors")
    adavit.resume(run)
    assert not (run / "generator-best.safetensors").exists()


@pytest.mark.parametrize("which", ["best", "last"])
def test_a_damaged_generator_is_refused_and_written_again_by_a_resume(
    run: Path, whole: Path, which: str
) -> None:
    path = run / f"generator-{which}.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    with pytest.raises(UserError, match=r"is damaged: .*adavit train --resume"):
        read_generator(run, which=which)
    before = sorted(run.glob("checkpoint*.pt"))
    adavit.resume(run)
    assert_equal(run, whole)
    assert sorted(run.glob("checkpoint*.pt")) == before


def test_a_damaged_line_of_a_log_is_named_and_no_other_is_lost(run: Path, whole: Path) -> None:
    for log, number in (("stats.jsonl", 2), ("metrics.jsonl", 3)):
        lines = (run / log).read_bytes().splitlines(keepends=True)
        lines[number - 1] = b"\xff\xfe\x00" + lines[number - 1][3:]
        (run / log).write_bytes(b"".join(lines))
    console = Told()
    adavit.resume(run, console=console)
    for log, number in (("stats.jsonl", 2), ("metrics.jsonl", 3)):
        expected = figures(whole / log)
        del expected[number - 1]
        assert figures(run / log) == expected
        assert (
            f"Warning: line {number} of {run / log} is damaged and left out; all others are kept."
            in console.notes
        )


@pytest.mark.parametrize("content", [None, b"", b"\x00\x00"])
def test_lost_settings_are_written_again_from_the_checkpoint(
    run: Path, whole: Path, content: bytes | None
) -> None:
    (run / "config.yaml").unlink()
    if content is not None:
        (run / "config.yaml").write_bytes(content)
    assert read_generator(run).images == read_generator(whole).images  # still a run
    console = Told()
    flip(run / "checkpoint.pt")
    adavit.resume(run, console=console)
    assert (
        f"Warning: {run / 'config.yaml'} is lost or damaged; it is written again from"
        in "\n".join(console.notes)
    )
    text = (whole / "config.yaml").read_text()
    assert (run / "config.yaml").read_text() == text
    assert_equal(run, whole)


def test_settings_that_differ_from_the_checkpoint_are_refused(run: Path, whole: Path) -> None:
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("speed_kimg: 0.2", "speed_kimg: 0.6"))
    with pytest.raises(UserError, match=r"augment\.speed_kimg is 0\.6 in .* trained with 0\.2"):
        adavit.resume(run)
    (run / "config.yaml").unlink()
    adavit.resume(run)
    assert_equal(run, whole)


def test_what_a_kill_left_half_written_is_removed(run: Path) -> None:
    left = [run / ".checkpoint.pt.999999999-0123abcd.partial"]
    left.append(run / "samples" / ".reals.png.999999999-0123abcd.partial")
    for path in left:
        path.write_bytes(b"half")
    adavit.resume(run)
    assert not any(path.exists() for path in left)


def test_fewer_checkpoints_may_be_kept_from_now_on(run: Path) -> None:
    adavit.resume(run, [{"run": {"keep_checkpoints": 1}, "training": {"total_kimg": 0.08}}])
    assert [path.name for path in run.glob("checkpoint*.pt")] == ["checkpoint.pt"]
    assert torch.load(run / "checkpoint.pt", weights_only=True)["progress"]["images"] == 80


def scored(monkeypatch: pytest.MonkeyPatch, figures: dict[int, float]) -> None:
    """Makes the figures of a run those given, by images seen."""
    counts = iter(sorted(figures))

    def score(*_: Any, **__: Any) -> dict[str, Any]:
        value = figures[next(counts)]
        return {"fd_random": value, "kid_random": value, "protocol": {}}

    monkeypatch.setattr("adavit.training.trainer.score_generator", score)


def images_of(path: Path) -> int:
    return int(load_checkpoint(path)["progress"]["images"])


def warnings_of(console: Told) -> list[str]:
    return [line for line in console.notes if "collapsed" in line]


@pytest.mark.parametrize("every", [0.016, 0.008])
def test_the_checkpoint_before_a_collapse_is_set_aside_until_the_figure_is_sane_again(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: float
) -> None:
    run, console = tmp_path / "run", Told()
    cadence = {"run": {"checkpoint_every_kimg": every}, "metrics": {"every_kimg": 0.016}}
    long = {"training": {"total_kimg": 0.08}}
    scored(monkeypatch, {0: 400.0, 16: 12.0, 32: 14.0, 48: 300.0, 64: 350.0, 80: 380.0})
    adavit.train(tiny(cadence, long), console=console)
    (warning,) = warnings_of(console)
    assert "fd_random has collapsed: 300 at 0.048 kimg" in warning
    assert f"the last sound checkpoint as {run / 'checkpoint-sound.pt'}" in warning
    assert images_of(run / "checkpoint-sound.pt") == 32
    assert images_of(run / "checkpoint.pt") == 80
    assert read_generator(run, which="best").images == 16

    again = Told()
    scored(monkeypatch, {96: 300.0, 112: 13.0})
    adavit.resume(run, [{"training": {"total_kimg": 0.112}}], console=again)
    assert not warnings_of(again)  # it was told
    assert not (run / "checkpoint-sound.pt").exists()  # the newest is


def test_a_sound_run_has_no_second_file_of_it(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, console = tmp_path / "run", Told()
    scored(monkeypatch, {0: 400.0, 16: 200.0, 32: 380.0, 48: 90.0, 64: 100.0})
    adavit.train(tiny(OFTEN), console=console)
    assert not warnings_of(console)
    assert not (run / "checkpoint-sound.pt").exists()


def test_a_divergence_after_a_collapse_names_the_checkpoint_that_was_sound(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, told = tmp_path / "run", iter(range(100))
    scored(monkeypatch, {0: 400.0, 16: 12.0, 32: 300.0, 48: 300.0})

    def ailing(networks: Any) -> str:  # samples, evaluation and checkpoint ask in turn
        return (
            "the weights reach 1e+09"
            if (run / "checkpoint-sound.pt").exists() and next(told) > 3
            else ""
        )

    monkeypatch.setattr("adavit.training.trainer.ailment", ailing)
    with pytest.raises(RunError) as caught:
        adavit.train(tiny(OFTEN))
    sound = run / "checkpoint-sound.pt"
    assert images_of(run / "checkpoint.pt") > 16
    assert f"{sound} is good" in str(caught.value)
    assert images_of(sound) == 16
    assert images_of(sound) == 16


def test_a_kill_after_a_collapse_was_found_leaves_what_is_found_again(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, console = tmp_path / "run", Told()
    scored(monkeypatch, {0: 400.0, 16: 12.0, 32: 300.0})
    save = Snapshots.save

    def killed(self: Snapshots, parts: Any) -> None:
        if self._progress.images == 32:
            raise KeyboardInterrupt
        save(self, parts)

    with monkeypatch.context() as patch:
        patch.setattr(Snapshots, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            adavit.train(tiny(OFTEN), console=console)
    assert images_of(run / "checkpoint-sound.pt") == images_of(run / "checkpoint.pt") == 16
    again = Told()
    scored(monkeypatch, {32: 300.0, 48: 310.0, 64: 320.0})
    adavit.resume(run, console=again)
    assert warnings_of(again) == warnings_of(console)
    assert images_of(run / "checkpoint-sound.pt") == 16


def test_a_run_starts_from_a_checkpoint_that_was_set_aside(run: Path, tiny: Tiny) -> None:
    shutil.copy(run / "checkpoint-1.pt", run / "checkpoint-sound.pt")
    before = load_checkpoint(run / "checkpoint-sound.pt")
    networks = read_source(run / "checkpoint-sound.pt").networks
    for name in ("generator", "discriminator", "average"):
        for key, value in before[name].items():
            assert torch.equal(networks[name][key], value)
    started = {"transfer": str(run / "checkpoint-sound.pt"), "total_kimg": 0.008}
    adavit.train(tiny({"training": started, "run": {"out": "other"}, "metrics": {"names": []}}))


KEPT = {"run": {"checkpoint_every_kimg": 0.016, "keep_checkpoints": "1,every:0.02"}}


def kept(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in RunDirectory(run).kept_generators().values()}


def test_generators_stay_at_the_first_step_past_each_multiple(tiny: Tiny) -> None:
    run = adavit.train(tiny(KEPT))
    # Of 8 images a step: 20, 40 and 60 are passed at 24, 40 and 64.
    names = [f"generator-000000.{images:03d}.safetensors" for images in (24, 40, 64)]
    assert sorted(kept(run)) == names
    for name, images in zip(names, (24, 40, 64), strict=True):
        assert read_generator(run / name).images == images
    last, final = read_generator(run, which="last"), read_generator(run / names[-1])
    assert tensors_digest(last.generator.state_dict()) == tensors_digest(
        final.generator.state_dict()
    )
    assert final.config["data"]["source"] == last.config["data"]["source"]  # its run still knows
    assert kept(run)[names[0]] != kept(run)[names[1]]


def test_a_run_that_goes_on_keeps_the_same_generators(tiny: Tiny, tmp_path: Path) -> None:
    whole = kept(adavit.train(tiny(KEPT)))
    out = {"run": {"out": str(tmp_path / "parts")}}
    part = adavit.train(tiny(KEPT, out, {"training": {"total_kimg": 0.04, "schedule_kimg": 0.064}}))
    assert len(kept(part)) == 2
    # Of what came after the checkpoint, which a kill has lost, nothing stays.
    stale = RunDirectory(part).kept_generator(48, decimals=True)
    shutil.copy(part / "generator-last.safetensors", stale)
    adavit.resume(part, [{"training": {"total_kimg": 0.048}}])
    assert not stale.exists()
    adavit.resume(part, [{"training": {"total_kimg": 0.064}}])
    assert kept(part).keys() == whole.keys()
    for name in whole:
        ours, theirs = read_generator(part / name), read_generator(tmp_path / "run" / name)
        assert tensors_digest(ours.generator.state_dict()) == tensors_digest(
            theirs.generator.state_dict()
        )
    adavit.resume(
        part, [{"run": {"keep_checkpoints": "every:0.04"}, "training": {"total_kimg": 0.08}}]
    )
    assert sorted(kept(part))[-1] == "generator-000000.080.safetensors"


def test_a_generator_of_the_checkpoints_own_moment_is_kept(tiny: Tiny, tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    progress = Progress(images=32112)
    for kimg in ("000032.112", "000032.128"):
        (directory.path / f"generator-{kimg}.safetensors").write_bytes(b"weights")
    workload = prepare(tiny({"metrics": {"names": []}}), SilentConsole())
    Snapshots(workload, directory, build_step(workload).average.module, progress).forget_after()
    assert list(directory.kept_generators()) == [32.112]
