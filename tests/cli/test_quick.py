"""What is asked for names alone is answered without the libraries that take seconds to import."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adavit.cli.main import COMMANDS

HEAVY = (
    "torch",
    "torchvision",
    "torch_fidelity",
    "kornia",
    "matplotlib",
    "scipy",
    "optuna",
    "plotly",
)
ROOT = Path(__file__).parents[2]
Answers = dict[str, tuple[int, str, set[str]]]

ASKED = """
import contextlib, io, json, sys
from adavit.cli.main import main
for line in json.load(sys.stdin):
    sys.argv = ["adavit", *line.split()]
    before, said, code = set(sys.modules), io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as ending:
            code = int(ending.code or 0)
    print(json.dumps([code, said.getvalue(), sorted(set(sys.modules) - before)]))
"""
SHOWS = """
import json, sys
from adavit.cli.main import main
sys.argv = ["adavit", *json.loads(sys.argv[1])]
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def answer(*arguments: str, folder: Path, **environment: str) -> tuple[int, str, set[str]]:
    """The exit code, what was printed, and which of `HEAVY` were imported."""
    ended = subprocess.run(
        [sys.executable, "-c", SHOWS, json.dumps(arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    *said, modules = ended.stderr.splitlines()
    return ended.returncode, ended.stdout + "\n".join(said), set(json.loads(modules)) & set(HEAVY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that has been evaluated, as far as lists of runs look at it."""
    place = tmp_path_factory.mktemp("quick")
    run = place / "runs" / "00000-drawn"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("data: {source: drawn}\naugment: {mode: ada, preset: bgc}\n")
    (run / "stats.jsonl").write_text('{"images": 1000, "p": 0.25}\n')
    record = {"images": 1000, "fd_random": 12.5, "protocol": {"extractor": "random", "n_fake": 50}}
    (run / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    return place


@pytest.fixture(scope="module")
def answers(folder: Path) -> Answers:
    """What `answer` returns of all that is asked here, by one process: each is charged with what it imported."""
    lines = [*(f"{name} --help" for name in COMMANDS), *QUICK]
    ended = subprocess.run(
        [sys.executable, "-c", ASKED],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=json.dumps(lines),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    return {
        line: (code, said, set(modules) & set(HEAVY))
        for line, (code, said, modules) in zip(lines, found, strict=True)
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_quick(name: str, answers: Answers) -> None:
    code, said, heavy = answers[f"{name} --help"]
    assert (code, heavy) == (0, set())
    assert said.startswith(f"Usage: adavit {name}")


QUICK = {
    "--help": (0, "memorisation"),
    "--version": (0, "adavit, version"),
    "augment preview --help": (0, "--augment"),
    "runs": (0, "fd_random 12.5"),
    "runs --json": (0, '"best": 12.5'),
    "compare runs/00000-drawn": (0, "12.5"),
    "trian": (2, "train"),
    "train": (2, "--data small_set"),
    "train --kimgs 3": (2, "--kimg"),
    "train --data small_set --batch many": (2, "training.batch is 'many'"),
    "train --data small_set --set augment.presets=bgc": (2, "augment.preset"),
    "train --data small_set --discriminator vit --set discriminator.width=7": (2, "discriminator"),
    "train --data small_set --preset smokes": (2, "smoke"),
    "generate runs/00000-drawn --seeds a-b --out drawn": (2, "--seeds"),
    "evaluate runs/00000-drawn --protocol mine": (2, "train50k"),
    "evaluate": (2, "SOURCE"),
    "generate runs/00000-drawn --seeds 0-3 --out drawn --grid 8by4": (2, "--grid 8x4"),
    "interpolate runs/00000-drawn --seeds 1,2 --out a.avi": (2, ".mp4, .gif or .webp"),
    "mix runs/00000-drawn --rows 1 --columns 2 --layers x": (2, "--layers has 'x'"),
    "directions runs/00000-drawn --seeds x": (2, "--seeds has 'x'"),
    "generate runs/00000-drawn --seeds 1 --out d --direction a": (2, "FILE:NUMBER=AMOUNT"),
    "pretrain --data small_set --batch many": (2, "pretraining.batch is 'many'"),
    "pretrain --data small_set --set discriminator.widht=3": (2, "discriminator.width?"),
    "train --data nowhere": (2, "'nowhere' does not exist"),
    "train --data cifar10:tset": (2, "cifar10:test"),
    "pretrain --data small_sett": (2, "Did you mean 'small_set'?"),
    "augment preview --data nowhere": (2, "'nowhere' does not exist"),
    "pretrain --config nowhere.yaml": (2, "nowhere.yaml"),
    "leaks runs/00000-drawn --operations rotatee": (2, "--operations names 'rotatee'"),
    "leaks runs/00000-drawn --operations RandomHuee": (2, "--operations names 'RandomHuee'"),
    "leaks runs/00000-drawn --operations ,": (2, "--operations names nothing"),
    "leaks runs/00000-drawn --augment bgx": (2, "--augment is 'bgx'"),
    "train --data small_set --extra RandomElastcTransform": (2, "mean RandomElasticTransform?"),
    "augment preview --data small_set --extra RandomHuee:0.5": (2, "Did you mean RandomHue?"),
    "augment preview --data small_set --augment bgx": (2, "augment.preset is 'bgx'"),
    "evaluate runs/00000-drawn --metrics fidd": (2, "Did you mean fid?"),
    "evaluate runs/00000-drawn --extractor dino": (2, "extractor is 'dino'"),
    "memorisation runs/00000-drawn --extractor vgg": (2, "extractor is 'vgg'"),
    "ablate smokes": (2, "smoke"),
    "ablate smoke --seeds a-b": (2, "--seeds has 'a-b'"),
    "ablate smoke --set augment.preset=bg": (2, "varies it"),
    "sweep smokes": (2, "smoke"),
    "runs nowhere": (2, "nowhere"),
    "compare nowhere": (2, "nowhere"),
}


@pytest.mark.parametrize("line", QUICK)
def test_lists_and_mistakes_are_quick(line: str, answers: Answers) -> None:
    code, said, heavy = answers[line]
    expected, words = QUICK[line]
    assert (code, heavy) == (expected, set()), said
    assert words in said


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("adavit tr", "train"),
        ("adavit ", "memorisation"),
        ("adavit train --pre", "--preset"),
        ("adavit evaluate x --protocol ", "quick5k"),
    ],
)
def test_completion_is_quick(line: str, expected: str, folder: Path) -> None:
    words = {
        "_ADAVIT_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    code, said, heavy = answer(folder=folder, **words)
    assert (code, heavy) == (0, set()), said
    assert f"plain,{expected}" in said.splitlines()
    if line == "adavit tr":
        assert said.splitlines() == ["plain,train"]


def test_public_names_and_settings_are_quick() -> None:
    code = (
        "import sys, adavit, adavit.augment, adavit.models, adavit.metrics, adavit.data;"
        "import adavit.config.layers, adavit.config.auto, adavit.config.pretraining;"
        "dir(adavit); adavit.__version__; adavit.RunConfig();"
        f"assert not set(sys.modules) & set({HEAVY}), sorted(set(sys.modules) & set({HEAVY}))"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


WATCHED_STEP = """
import sys
from adavit.training import trainer
from adavit.training.train import train
step = trainer.Trainer.train_on_one_batch
def look(self):
    step(self)
    found = set(sys.modules) & set(LATE)
    assert not found, f"imported before the end of the first step: {found}"
trainer.Trainer.train_on_one_batch = look
train(data="small_set:64", extractor="random", fakes=50, kimg=0.016, batch=16, out=OUT)
"""


def test_the_first_step_waits_for_no_library_that_it_may_not_need(tmp_path: Path) -> None:
    # torch's own optimizers and operators import its compiler, the curves matplotlib.
    late = {*HEAVY, "torch._dynamo", "sympy"} - {"torch"}
    values = {"OUT": str(tmp_path / "run"), "LATE": sorted(late)}
    code = "".join(f"{name} = {value!r}\n" for name, value in values.items()) + WATCHED_STEP
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ADAVIT_CACHE": str(tmp_path / "cache")}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert ended.returncode == 0, ended.stderr.decode()
    assert (tmp_path / "run/curves.png").is_file()
