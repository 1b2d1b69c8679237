import os
import shutil
from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.report.pruning import Kept, Spared, find_spared, prune
from adavit.report.run import read_run
from adavit.runs.checkpoint import checkpoint_bytes
from adavit.runs.directory import RunDirectory
from adavit.runs.generations import checkpoint_of
from adavit.runs.imported_folder import ImportedFolder
from adavit.training.train import resume
from tests.adavit.report.synthetic import cell_of, write_run
from tests.telling import Told

BEST_LAST = Kept(best=True, last=True, every_kimg=None)
OWN = (
    "checkpoint.pt",
    "checkpoint-1.pt",
    "checkpoint-2.pt",
    "checkpoint-sound.pt",
    "checkpoint-1-damaged.pt",
    "generator-best.safetensors",
    "generator-last.safetensors",
    *(f"generator-000{kimg:03d}.safetensors" for kimg in (50, 100, 150, 208, 250, 420)),
)
OTHERS = ("notes.txt", "checkpoint-mine.pt", "generator-mine.safetensors", "checkpoint.pt.bak")


def full_run(path: Path, **keywords: object) -> Path:
    write_run(path, **keywords)
    for name in OWN:
        (path / name).write_bytes(checkpoint_bytes({"name": name}))
    for name in OTHERS:
        (path / name).touch()
    return path


def names(spared: Spared) -> set[str]:
    return {path.name for path in spared.files}


def kimg_left(spared: Spared) -> list[int]:
    kept = RunDirectory(spared.run).kept_generators()
    return [round(kimg) for kimg, path in kept.items() if path not in spared.files]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return full_run(tmp_path / "runs" / "a")


def test_what_is_needed_to_go_on_and_to_draw_stays(run: Path) -> None:
    (spared,) = find_spared([run], BEST_LAST)
    stay = {"checkpoint.pt", "checkpoint-sound.pt", "generator-best.safetensors"}
    assert names(spared) == set(OWN) - stay - {"generator-last.safetensors"}
    before = {path for path in run.rglob("*") if path.is_file()}
    size = sum(path.stat().st_size for path in spared.files)
    assert spared.frees == size
    assert prune(spared, BEST_LAST) == size
    left = {path for path in run.rglob("*") if path.is_file()} - {run / ".lock"}
    assert before - left == set(spared.files)
    assert find_spared([run], BEST_LAST)[0].files == []


@pytest.mark.parametrize(
    ("every", "left"),
    [
        (200, [208, 420]),
        (100, [100, 208, 420]),
        (50, [50, 100, 150, 208, 250, 420]),
        (1000, []),
        (None, []),
    ],
)
def test_of_generators_the_first_past_each_multiple_stays(
    run: Path, every: float | None, left: list[int]
) -> None:
    (spared,) = find_spared([run], Kept(best=True, last=True, every_kimg=every))
    assert kimg_left(spared) == left


def test_the_first_past_a_multiple_is_that_of_fewest_images_not_of_the_first_name(
    run: Path,
) -> None:
    for kimg in ("000200", "000200.512"):  # kept every:200, then every:0.5
        (run / f"generator-{kimg}.safetensors").touch()
    (spared,) = find_spared([run], Kept(best=True, last=True, every_kimg=200))
    assert kimg_left(spared) == [200, 420]
    assert "generator-000200.512.safetensors" in names(spared)


def test_without_last_it_cannot_go_on_and_says_so(run: Path) -> None:
    (spared,) = find_spared([run], Kept(best=True, last=False, every_kimg=None))
    assert names(spared) == set(OWN) - {"generator-best.safetensors"}
    assert "cannot go on any more" in spared.note
    prune(spared, Kept(best=True, last=False, every_kimg=None))
    with pytest.raises(UserError, match=r"has no checkpoint any more.* --transfer"):
        resume(run)  # rather than begin again at 0, which would cost it its results
    with pytest.raises(UserError, match="adavit runs prune has removed them"):
        checkpoint_of(run)
    assert (run / "generator-best.safetensors").exists()
    assert read_run(run).status == "finished"


def test_a_run_that_can_go_on_is_not_called_pruned(run: Path) -> None:
    (spared,) = find_spared([run], BEST_LAST)
    prune(spared, BEST_LAST)
    assert not RunDirectory(run).ending.exists()


def test_one_generator_stays_whatever_is_asked_for(run: Path) -> None:
    (run / "generator-best.safetensors").unlink()
    (spared,) = find_spared([run], Kept(best=True, last=False, every_kimg=None))
    assert "generator-last.safetensors" not in names(spared)
    assert "generator-last.safetensors stays" in spared.note


def test_the_newest_checkpoint_of_a_cell_stays_until_it_is_finished(tmp_path: Path) -> None:
    note = cell_of("a", 0)
    run = full_run(tmp_path / "cell", cell=note | {"status": "running"})
    (spared,) = find_spared([run], Kept(best=True, last=False, every_kimg=None))
    assert not {"checkpoint.pt", "checkpoint-sound.pt"} & names(spared)
    assert "checkpoint-1.pt" in names(spared)
    assert "experiment" in spared.note
    (spared,) = find_spared(
        [full_run(tmp_path / "finished", cell=note)], Kept(best=True, last=False, every_kimg=None)
    )
    assert names(spared) == set(OWN) - {"generator-best.safetensors"}
    assert "experiment" not in spared.note


def test_older_checkpoints_stay_where_the_newest_is_damaged(run: Path) -> None:
    content = bytearray((run / "checkpoint.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (run / "checkpoint.pt").write_bytes(content)
    (spared,) = find_spared([run], BEST_LAST)
    assert not any(name in names(spared) for name in OWN[:4])
    assert "All checkpoints stay, since the newest cannot be used" in spared.note


def test_links_are_neither_followed_nor_removed(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    far = tmp_path / "elsewhere" / "far.pt"
    shutil.copy(run / "checkpoint-1.pt", far)
    (run / "checkpoint-1.pt").unlink()
    (run / "checkpoint-1.pt").symlink_to(far)
    other = full_run(tmp_path / "other")
    (tmp_path / "runs" / "link").symlink_to(other, target_is_directory=True)
    (spared,) = find_spared([tmp_path / "runs"], BEST_LAST)  # not the run behind the link
    prune(spared, BEST_LAST)
    assert far.is_file()
    assert (run / "checkpoint-1.pt").is_symlink()
    assert (other / "checkpoint-1.pt").is_file()


def test_a_file_under_two_names_frees_the_disk_once_both_are_gone(run: Path) -> None:
    (run / "checkpoint-sound.pt").unlink()
    os.link(run / "checkpoint-1.pt", run / "checkpoint-sound.pt")
    (spared,) = find_spared([run], BEST_LAST)
    told = sum(path.stat().st_size for path in spared.files)
    assert told - spared.frees == (run / "checkpoint-1.pt").stat().st_size


def test_a_run_that_is_trained_is_left_alone(run: Path) -> None:
    (told,) = find_spared([run], BEST_LAST)
    before, notes = set(run.iterdir()), Told()
    with RunDirectory(run).claimed():
        (spared,) = find_spared([run], BEST_LAST)
        assert (spared.files, spared.note) == ([], "It is being trained, and left alone.")
        assert prune(told, BEST_LAST, notes) == 0  # begun after it was asked about
        assert before <= set(run.iterdir())
    assert notes.notes == [f"{run} is being trained, and left alone."]


def test_what_has_come_since_it_was_told_stays(run: Path) -> None:
    (told,) = find_spared([run], BEST_LAST)
    new = run / "generator-000500.safetensors"
    new.touch()
    prune(told, BEST_LAST)
    assert new.exists()
    assert not (run / "checkpoint-1.pt").exists()


def test_only_runs_in_which_nothing_was_written_for_so_long(run: Path) -> None:
    for path in run.iterdir():
        os.utime(path, (1000, 1000), follow_symlinks=False)
    now, day = 1000 + 5 * 86_400, 86_400
    assert len(find_spared([run], BEST_LAST, untouched_s=5 * day, now=now)) == 1
    assert find_spared([run], BEST_LAST, untouched_s=6 * day, now=now) == []
    os.utime(run / "stats.jsonl", (2000, 2000))
    assert find_spared([run], BEST_LAST, untouched_s=5 * day, now=now) == []


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    imported = ImportedFolder(tmp_path / "ffhq")
    imported.path.mkdir()
    imported.generator.touch()
    (tmp_path / "pretrained").mkdir()
    (tmp_path / "pretrained" / "pretraining.pt").touch()
    (tmp_path / "pretrained" / "pretraining-1.pt").touch()
    for path in (imported.path, tmp_path / "pretrained"):
        with pytest.raises(UserError, match="holds no run"):
            find_spared([path], BEST_LAST)
    with pytest.raises(UserError, match="is not a folder"):
        find_spared([imported.generator], BEST_LAST)


def test_words_of_what_stays() -> None:
    assert Kept.from_words(["best", "last"]) == BEST_LAST
    assert Kept.from_words(["every:200", "best"]) == Kept(best=True, last=False, every_kimg=200.0)
    for words, message in (
        (["bst"], r"--keep names 'bst', expected best, last or every:KIMG"),
        (["3"], r"--keep names '3'"),
        (["every:0"], r"--keep: 'every:0' has no number"),
        (["best", "every:200", "every:500"], r"--keep names every: twice, 200 and 500"),
        ([], r"--keep is empty"),
    ):
        with pytest.raises(UserError, match=message):
            Kept.from_words(words)
