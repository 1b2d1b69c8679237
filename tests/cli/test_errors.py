import contextlib
import errno
import importlib
import os
import re
import signal
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import click
import pytest
import torch
from PIL import Image

from adavit.cli.errors import run_and_exit
from adavit.cli.main import COMMANDS, OF_MANY_PROCESSES
from adavit.errors import UserError
from adavit.runtime.signals import Stopped
from tests.adavit.runtime.test_device_failure import LOST
from tests.adavit.runtime.test_slurm import SRUN
from tests.cli.conftest import TINY, Adavit, Outcome


def code_of(error: BaseException) -> object:
    """The exit code of a command in which this is raised; what it says goes to standard error."""

    def command() -> None:
        raise error

    with pytest.raises(SystemExit) as ending:
        run_and_exit(command)
    return ending.value.code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train --data nowhere", "nowhere"),
        ("train --data smal_set", "small_set"),
        ("train --data pictures --resolution 17", "data.resolution is 17"),
        ("train --data pictures --aug fixed", "Give --p"),
        ("train --data pictures --kimg many", "is 'many', expected a number. Change --kimg."),
        ("train --data pictures --batch sixteen", "expected a whole number. Change --batch."),
        ("pretrain --data pictures --kimg -3", "pretraining.total_kimg is '-3'"),
        ("pretrain --data pictures --kimg -3", "Change --kimg."),
        ("train pictures", "(pictures). Did you mean --data pictures?"),
        ("pretrain pictures", "(pictures). Did you mean --data pictures?"),
        ("train --data picture", "Did you mean 'pictures'?"),
        ("train --data ./flad", "Did you mean 'flat'?"),
        ("train --data clip.mp4", "clip.mp4' is a video, "),
        ("ablate smoke --data pictures --devices cuda:0", "--devices cuda cannot be used: "),
        ("sweep r1-gamma-cpu --data pictures --devices cuda", "--devices cuda cannot be used: "),
        ("leaks flat/nothing.safetensors", "there is no 'flat/nothing.safetensors'"),
        ("memorisation flat/nothing.safetensors", "adavit runs lists"),
        ("inspect nothing", "there is no 'nothing'"),
        ("train --data pictures --transfer nothing", "there is no 'nothing'"),
        ("train --data pictures --discriminator cnn", "expected resnet or vit or projected"),
        ("train --data pictures --device cuda", "--device cuda cannot be used: "),
        ("train --data pictures --augment bcg", "augment.preset is 'bcg'"),
        ("train --data pictures --set batch=3", "expected SECTION.KEY=VALUE"),
        ("train --data pictures --set run.seed=2001-99-99", "run.seed"),
        ("train --data pictures --metric-data nowhere", "--metric-data"),
        (
            "train --data pictures --aug fixed --p 1 --augment diffaug --set augment.xflip=1",
            "augment.xflip",
        ),
        ("evaluate pictures --data pictures --truncation 0.5", "Leave it out"),
        ("train --data pictures --set training.bacth=3", "Did you mean training.batch"),
        ("train --data pictures --preset nothing", "preset 'nothing' is unknown"),
        ("train --data pictures --config nothing.yaml", "nothing.yaml"),
        ("train --data pictures --subset 900", "900"),
        ("train --data pictures --heuristic rv", "no images are held out"),
        ("train --data pictures --inception-weights nothing.pth", "nothing.pth"),
        ("train --data pictures --extractor inception", "inception"),
        ("train --data pictures --out pictures", "is not empty"),
        ("train --data flat --cond", "has no classes"),
        ("train --data flat/1.png", "flat/1.png' is one image, "),
        ("train --data empty", "empty"),
        ("train --data single", "Name others with --metric-data, or train without: --metrics none"),
        ("evaluate pictures --data single", "Name others with --data"),
        ("augment preview --data pictures -o nowhere/p.png", "--out 'nowhere/p.png' cannot be"),
        ("train --data pictures --out flat --dry-run", "--out 'flat' is not empty"),
        ("evaluate tool --data nothing", "--data 'nothing' does not exist"),
        ("train --resume nothing", "there is no 'nothing'"),
        ("train --resume pictures --dry-run", "--dry-run and --resume"),
        ("train --daat pictures", "--data"),
        ("evaluate nothing", "SOURCE 'nothing'"),
        ("evaluate flat/1.safetensors", "1.safetensors"),
        ("evaluate pictures --data pictures --metrics is", "has no classes"),
        ("evaluate pictures --data pictures --fakes 99 --extractor random", "has 24."),
        ("generate nothing --seeds 0 --out x", "adavit runs lists"),
        ("generate flat/1.safetensors --seeds 0 --out x", "cannot be used"),
        ("generate pictures --seeds 0 --out x", "is not a run directory"),
        ("generate pictures --seeds 9-1 --out x", "--seeds"),
        ("trian", "trian"),
        ("augment preview --data pictures -o p.txt", "expected .png"),
        ("memorisation nowhere", "SOURCE 'nowhere' does not exist"),
        ("leaks nowhere", "SOURCE 'nowhere' does not exist"),
        ("evaluate flat/checkpoint.pt --data pictures", "Name the run: 'flat'"),
        ("ablate smoke --data pictures --set data.resolution=17", "Use 16, the nearest one."),
        ("ablate smoke --data pictures --set data.subset=900", "Lower data.subset"),
        ("ablate smoke --data flat --set data.cond=true", "Leave data.cond out"),
        ("sweep r1-gamma-cpu --data pictures --set data.val_fraction=2", "--set data.val_fraction"),
        ("sweep r1-gamma-cpu --data pictures --set data.subset=900", "Lower data.subset"),
        ("pretrain --data pictures --set data.subset=900 --out x", "Lower --subset"),
        (
            "augment preview --data pictures --set data.resolution=17 -o p.png",
            "Use 16, the nearest one.",
        ),
    ],
)
def test_what_the_user_can_mend_is_one_clear_line_and_code_2(
    adavit: Adavit,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: str,
    message: str,
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("socket.getaddrinfo", _offline)
    Path("flat").mkdir()
    for name in ("1", "2"):
        Image.new("RGB", (16, 16), (name == "1" and "red") or "blue").save(f"flat/{name}.png")
    Path("flat/1.safetensors").write_bytes(b"\xff" * 40)
    Path("flat/checkpoint.pt").write_bytes(b"\xff" * 40)
    Path("empty").mkdir()
    Path("clip.mp4").write_bytes(b"0000ftypisom")
    Path("tool").mkdir()
    Path("tool/config.yaml").write_text(
        "model: sdxl\n"
    )  # another tool's: the folder is no run of ours
    Path("single").mkdir()
    Image.new("RGB", (16, 16), "red").save("single/1.png")
    outcome = adavit(*arguments.split())
    assert outcome.code == 2, (outcome.out, outcome.err)
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    errors = [line for line in outcome.err.splitlines() if line.startswith("Error")]
    assert len(errors) == 1
    assert "Usage: " not in outcome.err
    assert _flags_of_no_option(arguments, errors[0]) == set()
    assert not list(Path().glob("runs/0*"))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("generate", "Missing argument 'SOURCE'. See adavit generate --help for what it takes."),
        (
            "generate run",
            "Missing option '--out'. See adavit generate --help for what it takes.",
        ),
        (
            "project run --target a.png --tune -1",
            "Invalid value for '--tune': -1 is not in the range x>=0. See adavit project --help for what it takes.",
        ),
        ("data chek", "No such command 'chek'. "),
        ("data check --nothing", "No such option '--nothing'. See adavit data check --help for"),
        ("mix run --out", "Option '--out' requires an argument. See --help for what it takes."),
        ("runs prune", "name runs, or folders of runs, or give --all for those below runs."),
        ("trian", "there is no command 'trian'. Did you mean train?"),
    ],
)
def test_a_wrong_call_is_one_line_too(adavit: Adavit, arguments: str, line: str) -> None:
    outcome = adavit(*arguments.split())
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith(f"Error: {line}")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("arguments", ["", "data", "augment"])
def test_who_names_no_command_of_a_group_gets_its_help(adavit: Adavit, arguments: str) -> None:
    outcome = adavit(*arguments.split())
    assert "Error" not in outcome.err
    assert f"Usage: adavit {arguments}".strip() in outcome.out + outcome.err


def _flags_of_no_option(arguments: str, error: str) -> set[str]:
    """What an error names as a flag, though the command has none of that name."""
    name, *rest = arguments.split()
    if name not in COMMANDS:
        return set()
    command = importlib.import_module(f"adavit.cli.{name}").command
    if isinstance(command, click.Group):
        command = command.commands[rest[0]]
    known = {"--help"} | {flag for parameter in command.params for flag in parameter.opts}
    return set(re.findall(r"(?<!\S)--[a-z][a-z-]*", error)) - known - {*arguments.split()}


def _offline(*_: object, **__: object) -> None:
    raise OSError(-2, "Name or service not known")


def test_a_full_disk_is_code_1_and_says_what_to_do(
    adavit: Adavit, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def full(*_: object) -> Iterator[tuple[BinaryIO, Callable[[Path], None]]]:
        with Path("/dev/full").open("wb") as device:
            yield device, lambda path: None

    monkeypatch.setattr("adavit.runs.generations.unfinished_file", full)
    outcome = adavit("train", "--data", pictures, "--out", "run", *TINY)
    assert outcome.code == 1
    assert "disk is full" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_folder_that_may_not_be_written_is_code_2(adavit: Adavit, pictures: Path) -> None:
    adavit("train", "--data", pictures, "--out", "run", *TINY, "--metrics", "none")
    outcome = adavit("generate", "run", "--seeds", "0", "--out", "/proc/self")
    assert outcome.code == 2
    assert "may not be written to" in outcome.err


def test_out_of_memory_is_code_1(adavit: Adavit, pictures: Path) -> None:
    outcome = adavit("train", "--data", pictures, *TINY, "--batch", "2000000000", "--dry-run")
    assert outcome.code == 1
    assert "out of memory" in outcome.err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Stopped(signal.SIGINT), 130, "Stopped by Ctrl-C."),
        (KeyboardInterrupt(), 130, "Stopped by Ctrl-C."),
        (
            Stopped(signal.SIGTERM, go_on="the same command", left="it is where it was"),
            143,
            "Stopped by SIGTERM; it is where it was. Go on with: the same command",
        ),
        (
            Stopped(signal.SIGHUP, go_on="adavit train --resume a"),
            129,
            "Stopped by SIGHUP; the checkpoint is written. Go on with: adavit train --resume a",
        ),
    ],
)
def test_to_be_stopped_is_no_error(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    assert code_of(error) == code
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize("flags", [["--dato", "x"], ["--data", "nowhere"]])
def test_of_the_processes_of_a_machine_the_first_tells(
    adavit: Adavit, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    for name, value in {"RANK": "4", "WORLD_SIZE": "8", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    first = adavit("train", *flags)
    assert first.code == 2
    assert "Error: " in first.err
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert adavit("train", *flags) == Outcome(2, "", "")


@pytest.mark.parametrize("rank", ["0", "1"])
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_is_never_refused_in_silence_but_beside_a_run(
    adavit: Adavit, monkeypatch: pytest.MonkeyPatch, name: str, rank: str
) -> None:
    for variable, value in {"RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": rank}.items():
        monkeypatch.setenv(variable, value)
    wrong = adavit(name, "--nonsense")
    assert wrong.code == 2
    assert wrong.err.count("Error: ") == (0 if name == "train" and rank == "1" else 1)
    alone = f"adavit {name} is one process, but WORLD_SIZE says that torchrun has started 2"
    assert (alone in wrong.err) == (name not in OF_MANY_PROCESSES)


@pytest.mark.parametrize(
    ("words", "looks"),
    [
        ("runs prune --all --dry-run", False),
        ("cache clear", False),
        ("grids --json", True),
        ("cache size", True),
    ],
)
def test_several_processes_may_look_and_not_remove(
    adavit: Adavit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str, looks: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(variable, value)
    made = adavit(*words.split())
    name = " ".join(words.split()[:2])
    assert (f"adavit {name} is one process, but WORLD_SIZE" in made.err) == (not looks)
    assert made.code == (0 if looks else 2)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_of_one_process_is_refused_as_a_task_of_srun_too(
    adavit: Adavit, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable, value in SRUN.items():
        monkeypatch.setenv(variable, value)
    wrong = adavit(name, "--nonsense")
    assert wrong.code == 2
    alone = f"Error: adavit {name} is one process, but srun has started 11 tasks, expected one. "
    assert wrong.err.startswith(alone) == (name not in OF_MANY_PROCESSES)
    assert ("srun --ntasks=1" in wrong.err) == (name not in OF_MANY_PROCESSES)


@pytest.mark.parametrize(
    "told",
    [
        {**SRUN, "SLURM_STEP_NUM_TASKS": "1"},
        {**SRUN, "RANK": "0", "WORLD_SIZE": "1"},  # of torchrun, one on each machine
        {"SLURM_JOB_ID": "4711", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"},  # a script of a job
    ],
    ids=["one task", "torchrun", "script"],
)
def test_a_command_of_one_process_runs_where_srun_has_started_one_task(
    adavit: Adavit, monkeypatch: pytest.MonkeyPatch, told: dict[str, str]
) -> None:
    for variable, value in told.items():
        monkeypatch.setenv(variable, value)
    assert "No such option '--nonsense'" in adavit("ablate", "--nonsense").err


def test_what_only_looks_does_so_in_each_process(
    adavit: Adavit, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(variable, value)
    assert "FID" in adavit("metrics").out
    assert "there is no folder 'nowhere'" in adavit("runs", "nowhere").err


@pytest.mark.parametrize("command", ["runs nowhere", "train --data nowhere", "pretrain"])
@pytest.mark.parametrize(
    "told", [{"RANK": "gold", "WORLD_SIZE": "1"}, {"RANK": "0", "WORLD_SIZE": "x"}], ids=str
)
def test_what_another_program_means_by_a_variable_is_told(
    adavit: Adavit, monkeypatch: pytest.MonkeyPatch, command: str, told: dict[str, str]
) -> None:
    for variable, value in told.items():
        monkeypatch.setenv(variable, value)
    outcome = adavit(*command.split())
    assert outcome.code == 2
    assert outcome.err.startswith("Error: the environment variable ")
    assert outcome.err.count("\n") == 1


def test_what_a_process_alone_has_found_has_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    for error, code, line in (
        (UserError("there is no x."), 2, "there is no x."),
        (OSError(errno.ENOSPC, "full", "a"), 1, "the disk is full (while writing a). "),
    ):
        error.add_note("rank 1 of 2 (process 5 on here)")

        assert code_of(error) == code
        said = capsys.readouterr().err
        assert said.startswith(f"Error: rank 1 of 2 (process 5 on here): {line}")


def test_messages_do_not_reach_the_terminal_as_sequences(adavit: Adavit) -> None:
    outcome = adavit("train", "--resume", "a\x1b]0;owned\x07")
    assert outcome.code == 2
    assert "owned" in outcome.err
    assert not {"\x1b", "\x07"} & set(outcome.err)


def test_what_does_not_fit_on_the_disk_any_more_is_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command() -> None:
        print("the last line")

    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(SystemExit) as ending:
            run_and_exit(command)
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
    assert ending.value.code == 1
    assert capsys.readouterr().err.startswith("Error: the disk is full")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "out of memory"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
            "out of memory",
        ),
        (RuntimeError("could not create a primitive"), "out of memory"),
        (RuntimeError("std::bad_alloc"), "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 MiB"), "out of memory"),
        (torch.AcceleratorError("CUDA error: out of memory\nSearch for it"), "out of memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling f"), "out of memory"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "out of memory"),
        (RuntimeError("can't start new thread"), "out of memory"),
        (SystemError("error return without exception set"), "out of memory"),
        (SystemError("<f> returned NULL without setting an exception"), "out of memory"),
        (ImportError("libx.so: failed to map segment from shared object"), "out of memory"),
        (OSError("libx.so: failed to map segment from shared object"), "out of memory"),
        (OSError("libx.so: cannot open: Too many open files"), "ulimit -n 1024"),
        (ImportError("libx.so: cannot open: Too many open files"), "ulimit -n 1024"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out of memory"),
        (OSError(errno.EMFILE, "Too many open files", "a.png"), "ulimit -n 1024"),
        (OSError(errno.EIO, "Input/output error", "a.png"), "refuses a.png (Input/output error)"),
    ],
)
def test_what_a_full_machine_raises_is_a_line_and_code_1(
    error: Exception, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(error) == 1
    printed = capsys.readouterr().err
    assert message in printed
    assert len(printed.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [
        *("runs {}", "train --resume {}", "train --data small_set --out {}", "train --data {}"),
        *("evaluate {}", "generate {} --seeds 0 --out x", "report {}", "pretrain --resume {}"),
        *("train --data small_set --config {}", "ablate smoke --data small_set --out {}"),
    ],
)
@pytest.mark.parametrize("path", ["a" * 300, "circle/a"])
def test_a_path_that_no_system_can_follow_is_the_users_to_mend(
    adavit: Adavit, command: str, path: str
) -> None:
    Path("circle").symlink_to("circle")
    outcome = adavit(*command.format(path).split())
    (line,) = outcome.err.splitlines()
    assert outcome.code == 2, line
    assert path in line
    assert not {"disk", "permissions"} & set(re.findall(r"\w+", line))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_a_disk_without_locks_is_told_of_with_the_file(
    adavit: Adavit, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    outcome = adavit("train", "--data", "small_set", "--out", "run", "--metrics", "none", *TINY)
    assert outcome.code == 2
    assert f"Error: run/.lock cannot be locked ({os.strerror(number)}), expected" in outcome.err


@pytest.mark.parametrize("error", LOST, ids=str)
def test_a_device_that_vanishes_is_a_line_with_what_to_do_and_code_1(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(error) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Error: the device failed ({str(error).splitlines()[0]}), expected it")
    assert line.endswith("a training run goes on with --resume.")


@pytest.mark.parametrize(("limit", "ending"), [(1 << 32, SystemExit), (-1, SyntaxError)])
def test_a_parser_that_lacks_memory_misreads_a_library(
    monkeypatch: pytest.MonkeyPatch, limit: int, ending: type[BaseException]
) -> None:
    resource = pytest.importorskip("resource")
    assert resource.RLIM_INFINITY == -1
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))

    def command() -> None:
        raise SyntaxError("expected ':'")

    with pytest.raises(ending):
        run_and_exit(command)


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), SystemError("x"), ImportError("x"), OSError("x")]
)
def test_a_mistake_of_ours_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error), match="x"):
        code_of(error)


def test_a_batch_that_nothing_can_hold_is_refused_before_images_are_decoded(
    adavit: Adavit, pictures: Path
) -> None:
    outcome = adavit("train", "--data", pictures, *TINY, "--batch", str(10**22))
    assert outcome.code == 1
    assert "Use a smaller --microbatch or --batch" in outcome.err
    assert not Path("cache").exists()


@pytest.mark.parametrize("data", ["/dev/zero", "pipe"])
def test_a_device_or_a_pipe_is_no_data(adavit: Adavit, data: str) -> None:
    os.mkfifo("pipe")
    outcome = adavit("train", "--data", data, "--dry-run")
    assert outcome.code == 2
    assert f"{data}' cannot be read (it is a pipe, socket or device, not a file)" in outcome.err


def test_what_took_the_memory_is_let_go_of_before_the_line_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Large:
        pass

    held, seen = [], []

    def command() -> None:
        large = Large()
        held.append(weakref.ref(large))
        raise MemoryError

    monkeypatch.setattr("click.echo", lambda *_, **__: seen.append(held[0]() is None))
    with pytest.raises(SystemExit):
        run_and_exit(command)
    assert seen == [True]
