from pathlib import Path

import pytest

from tests.cli.conftest import Adavit


@pytest.mark.parametrize("command", ["memorisation", "leaks"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nowhere --data pictures --out x", "nowhere"),
        ("pictures --out x", "--data"),
        ("pictures --data nowhere --out x", "--data"),
        ("pictures --data pictures", "Give --out"),
        ("nowhere", "nowhere"),
        ("pictures --data pictures --out x --which best", "Leave --which out"),
        ("pictures --data pictures --out x --fakes 99", "has 24 images"),
        ("pictures --data pictures --out x --fakes 0", "--fakes"),
        ("pictures --data pictures --out /dev/null/x", "cannot be"),
        ("pictures --data pictures --out x --device cuda", "--device cuda"),
        ("broken.safetensors --out x", "broken.safetensors"),
        ("half --out x", "half"),
    ],
)
def test_what_the_user_can_mend_is_one_clear_line_and_code_2(
    adavit: Adavit, pictures: Path, command: str, arguments: str, message: str
) -> None:
    Path("broken.safetensors").write_bytes(b"\xff" * 40)
    Path("half").mkdir()
    Path("half/config.yaml").write_text("{}")
    extra = ["--operations", "cutout"] if command == "leaks" else ["--extractor", "random"]
    outcome = adavit(command, *arguments.split(), *extra)
    _one_line(outcome.code, outcome.err, message)
    assert not Path("x").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("leaks pictures --data pictures --out x", "Give --operations"),
        ("leaks pictures --data pictures --out x --operations turn", "'turn'"),
        ("leaks pictures --data pictures --out x --operations ,", "names nothing"),
        ("leaks pictures --data pictures --out x --augment bcg", "--augment is 'bcg'"),
        (
            "leaks pictures --data pictures --out x --augment bgc --operations hue",
            "both given",
        ),
        # Of wrong flags and a source that is not there, the flags are told: they need no reading.
        ("leaks nowhere --operations turn", "'turn'"),
        ("leaks nowhere --augment bgc --operations hue", "both given"),
        ("memorisation pictures --data pictures --out x --extractor vgg", "vgg"),
        (
            "memorisation pictures --data pictures --out x --inception-weights no.pth",
            "no.pth",
        ),
    ],
)
def test_flags_of_one_command_that_are_wrong(
    adavit: Adavit, pictures: Path, arguments: str, message: str
) -> None:
    outcome = adavit(*arguments.split())
    _one_line(outcome.code, outcome.err, message)


def _one_line(code: int, err: str, message: str) -> None:
    assert code == 2, err
    assert message in err
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith("Error")]) == 1


@pytest.mark.parametrize("command", ["memorisation", "leaks"])
def test_help_is_there(adavit: Adavit, command: str) -> None:
    outcome = adavit(command, "--help")
    assert outcome.code == 0
    assert "SOURCE is a run" in outcome.out
