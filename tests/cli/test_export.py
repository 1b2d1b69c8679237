from pathlib import Path

import pytest

from tests.cli.conftest import Adavit
from tests.stored_generators import store_generator

SOURCE = Path("g.safetensors")


@pytest.fixture(autouse=True)
def generator(own_folder: None) -> None:
    store_generator(SOURCE)


def test_export_writes_the_parts_and_says_how_far_they_are_off(adavit: Adavit) -> None:
    done = adavit("export", SOURCE, *"--to torchscript --out a.pt --parts --half".split())
    assert done.code == 0, done.err
    assert sorted(path.name for path in Path().glob("*.pt")) == [
        "a-mapping.pt",
        "a-synthesis.pt",
        "a.pt",
    ]
    lines = done.out.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["a.pt", "a-mapping.pt", "a-synthesis.pt"]
    assert "of 255 levels" in lines[0]
    assert "deprecated" in lines[3]
    assert "float16" in lines[3]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--to onnx --out a.pt2", "Write --out a.onnx, or give --to program."),
        ("--to program --out absent/a.pt2", "--out 'absent/a.pt2' cannot be written"),
        ("--to tflite --out a.tflite", "'onnx', 'torchscript', 'program'"),
        (
            "--to program --out a.pt2 --which best",
            "--which is best, but 'g.safetensors' is not a run",
        ),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(
    adavit: Adavit, arguments: str, told: str
) -> None:
    done = adavit("export", SOURCE, *arguments.split())
    assert done.code == 2
    assert told in done.err
    assert [path.name for path in Path().iterdir()] == [SOURCE.name]
