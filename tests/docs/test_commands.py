"""Every command of the documents is one that the program takes; `test_rehearsal.py` runs them too."""

import itertools
import re

import pytest
import yaml

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.pretraining import PretrainConfig
from adavit.config.settings import settings_of
from adavit.experiments.grid_file import read_grid
from adavit.experiments.sweep_file import read_sweep
from adavit.runtime.imagined_world import ImaginedWorld
from adavit.runtime.resolution import Resolution
from adavit.training.step.slices import Slices
from tests.docs.documents import Block, blocks, documents, prose, text_of
from tests.docs.parsing import fault_of, fault_of_adavit, fault_of_extra
from tests.docs.shell_lines import commands

PLACEHOLDER = re.compile(r"\b[A-Z]{1,}\b|\.\.\.|…")
"""Words of commands within a sentence that stand for others, such as N."""
SHARES = ("batch", "microbatch")
FILES = re.compile(r"\.(json|jsonl|html|yaml|md|png)$")


def commands_of(document: str) -> list[Block]:
    return [each for block in blocks(text_of(document), document) for each in commands(block)]


@pytest.mark.parametrize("document", documents())
def test_commands_in_blocks_are_taken(document: str) -> None:
    wrong = [
        f"{command.where}: {' '.join(command.words)}: {fault}"
        for command in commands_of(document)
        if (fault := fault_of(command))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("device", "side"), [("cpu", 32), ("cuda", 32), ("cuda", 256)])
def test_processes_of_commands_share_the_slices(device: str, side: int) -> None:
    """Which the rehearsal leaves out, and the command line cannot see before there are images."""
    found = 0
    for words in [c.of_adavit for document in documents() for c in commands_of(document)]:
        given = dict(itertools.pairwise(words or ()))
        if not words or words[0] != "train" or not {"--processes", "--data"} <= given.keys():
            continue
        processes = int(given["--processes"])
        numbers = {name: int(given[f"--{name}"]) for name in SHARES if f"--{name}" in given}
        facts = RunFacts(Resolution(side, side), 500, device, processes=processes)
        training = resolve(build_config([{"training": numbers}]), facts).training
        world = ImaginedWorld(size=processes)
        assert len(Slices.of(training.batch, training.microbatch, world).own) > 0
        found += 1
    assert found > 2


def test_commands_are_found() -> None:
    of_readme = [command for command in commands_of("README.md") if command.of_adavit]
    assert len(of_readme) > 5
    assert (
        len([command for command in commands_of("docs/several-devices.md") if command.of_adavit])
        > 10
    )


@pytest.mark.parametrize("document", documents())
def test_commands_within_sentences_are_taken(document: str) -> None:
    text = prose(text_of(document))
    spans = re.findall(r"(?<!`)`((?:\.venv/bin/|python -m |make )?adavit [^`]+)`(?!`)", text)
    wrong = []
    for span in (" ".join(span.split()).replace("RUN", "run") for span in spans):
        if PLACEHOLDER.search(span):
            continue
        (command, *_) = commands(Block(document, 0, "", span))
        fault = fault_of(command)
        # A sentence may name a command without what it cannot do without, and commands by their group.
        if fault and not fault.startswith(("Missing ", "Usage: ")):
            wrong.append(f"{document}: {span}: {fault}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("document", documents())
def test_extras_that_are_named_are_there(document: str) -> None:
    named = re.findall(r"(?:\badavit|(?<=['\"]\.)|\.)\[[a-z,-]+\]", text_of(document))
    wrong = [fault for name in named if (fault := fault_of_extra(name))]
    assert not wrong, f"{document}: {wrong}"


@pytest.mark.parametrize("document", documents())
def test_settings_that_are_named_are_there(document: str) -> None:
    wrong = [key for key in _settings_in(prose(text_of(document))) if not _is_setting(key)]
    assert not wrong, f"{document} names {wrong}; adavit settings lists those that there are"


SECTIONS = "|".join(sorted({key.partition(".")[0] for key in settings_of()}))


def _settings_in(text: str) -> list[str]:
    """Keys in code, such as `augment.p` or `--set augment.p=1`."""
    code = " ".join(re.findall(r"`([^`]+)`", text))
    named = re.findall(rf"(?<![\w./-])((?:{SECTIONS})\.[a-z]\w*)", code)
    return [name for name in named if not FILES.search(name)]


def _is_setting(key: str) -> bool:
    return key in {**settings_of(), **settings_of(PretrainConfig)}


@pytest.mark.parametrize("document", documents())
def test_blocks_of_yaml_are_grids_sweeps_or_settings(document: str, tmp_path) -> None:
    for block in blocks(text_of(document), document):
        if block.language not in ("yaml", "yml"):
            continue
        values = yaml.safe_load(block.text)
        file = tmp_path / "given.yaml"
        file.write_text(block.text)
        fault = None
        if "axes" in values:
            read_grid(str(file))
        elif "search" in values:
            read_sweep(str(file))
        else:
            keys = [f"{section}.{key}" for section, given in values.items() for key in given]
            fault = [key for key in keys if not _is_setting(key)]
        assert not fault, f"{document}:{block.line}: {fault} are no settings"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("trian --data x", "train"),
        ("train --data x --kimgs 3", "--kimg"),
        ("train --data x --kimg many", "training.total_kimg is 'many'"),
        ("train --data x --augment bcg", "augment.preset"),
        ("train --data x --set augment.rotate91=0", "augment.rotate91"),
        ("train --data x --set training.loss=hinges", "training.loss"),
        ("train --data x --preset r4gan", "r4gan"),
        ("train my_photos", "--data"),
        ("train --data x --device cudas", "cudas"),
        ("pretrain --data x --set pretraining.bach=3", "pretraining.bach"),
        ("evaluate run --protocol test10", "test10"),
        ("evaluate run --metrics fids", "fid"),
        ("evaluate run --extractor inceptions", "inception"),
        ("memorisation run --extractor inceptions", "inception"),
        ("data chek x", "chek"),
        ("data subset x --count 0 --out y", "--count"),
        ("runs prune --kep best", "--keep"),
        ("ablate groups-cpus --dry-run", "groups-cpu"),
        ("ablate groups-cpu --set training.bach=2", "training.bach"),
        ("ablate mine.yaml --set training.bach=2", "training.bach"),
        ("sweep r1-gamma --trials 2", "r1-gamma"),
        ("augment preview --data x --set augment.hues=1", "augment.hues"),
        ("generate run", "--out"),
    ],
)
def test_what_is_wrong_is_seen(words: str, expected: str) -> None:
    assert expected in (fault_of_adavit(words.split()) or "nothing was seen")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("make train DATA=x", None),
        ("make trains", "no trains"),
        ("make train DATUM=x", "no DATUM"),
        ("make gpu MINUTE=8", "no MINUTE"),
        ("pip install 'adavit[films]'", "films"),
        ("pip install -e '.[films]'", "films"),
        ("adavti runs", "adavti"),
    ],
)
def test_other_programs_are_looked_at_too(line: str, expected: str | None) -> None:
    (command,) = commands(Block("a.md", 1, "", line))
    fault = fault_of(command)
    assert fault is None if expected is None else expected in (fault or "")


@pytest.mark.parametrize(
    ("line", "is_right"),
    [("`--set augment.hue=0`", True), ("`augment.hues`", False), ("`metrics.jsonl`", True), ("augment.hues", True)],
)  # fmt: skip
def test_settings_are_found_in_code(line: str, is_right: bool) -> None:
    assert all(map(_is_setting, _settings_in(line))) is is_right


def test_commands_that_are_right_are_taken() -> None:
    for words in ("--help", "train --help", "runs", "runs prune --all --dry-run", "doctor"):
        assert fault_of_adavit(words.split()) is None
