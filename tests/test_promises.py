"""The same bits are promised where they are kept: on a CPU. On CUDA some kernels add in no fixed order."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from adavit.cli.pretrain import command as pretrain
from adavit.cli.train import command as train

ROOT = Path(__file__).parents[1]
PROMISE = re.compile(
    r"same\s+bits|to\s+the\s+bit\b|the\s+bits\s+of|exactly\s+(the\s+weights|where\s+it)|never\s+stopped"
)
OF_ONE_DEVICE = re.compile(r"\bcpus?\b", re.IGNORECASE)
ABOUT_OTHER_THINGS = {
    "adavit/metrics/extractors/random_features.py",  # filters, drawn on a CPU for every device
    "adavit/runtime/optimizers.py",  # the same kernels, called another way
}


def paragraphs() -> Iterator[tuple[str, str]]:
    """Those of documents, and whole docstrings, with the file that they are in."""
    documents = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    for path in (*documents, *sorted((ROOT / "docs").rglob("*.md"))):
        for text in re.split(r"\n\n|\n(?=- )", path.read_text(encoding="utf-8")):
            yield str(path.relative_to(ROOT)), text
    for folder in ("adavit", "cli"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield str(path.relative_to(ROOT)), node.value


def test_the_same_bits_are_promised_of_a_cpu_only() -> None:
    promised = [(where, text) for where, text in paragraphs() if PROMISE.search(text)]
    told = {"README.md", "docs/start.md", "adavit/training/train.py", "cli/train.py"}
    assert told <= {where for where, _ in promised}
    wrong = [
        (where, text)
        for where, text in promised
        if where not in ABOUT_OTHER_THINGS and not OF_ONE_DEVICE.search(text)
    ]
    assert not wrong, f"{wrong}: say that it holds on a CPU"


@pytest.mark.parametrize("command", [train, pretrain], ids=["train", "pretrain"])
def test_the_help_of_resume_says_where_it_ends_with_the_same_bits(command) -> None:
    (option,) = (each for each in command.params if "--resume" in each.opts)
    assert "on a CPU it ends with the bits" in option.help
