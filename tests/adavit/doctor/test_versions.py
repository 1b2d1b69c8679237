import tomllib
from collections.abc import Sequence
from email.message import Message
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from adavit.doctor import versions
from adavit.doctor.versions import examine_versions, is_met, requirements

HERE = {
    "adavit": "0.1.0",
    "torch": "2.15.0+cu132",
    "torchvision": "0.30.0",
    "kornia": "0.8.2",
    "timm": "1.0.30",
}
DECLARED = [
    "torch>=2.11",
    "torch-fidelity<0.5,>=0.4",
    'timm>=1.0.24; extra == "timm"',
    'psycopg[binary]>=3.2; extra == "queue"',
    'mypy>=1.14; extra == "dev"',
    'tomli>=2; python_version < "3"',
]


def declare(monkeypatch: pytest.MonkeyPatch, lines: Sequence[str], extras: Sequence[str]) -> None:
    """As the metadata of an installation do."""
    told = Message()
    for extra in extras:
        told["Provides-Extra"] = extra
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    monkeypatch.setattr(metadata, "metadata", lambda name: told)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    here = {**HERE, "torch-fidelity": "0.4.0"}

    def version(name: str) -> str:
        if name not in here:
            raise metadata.PackageNotFoundError(name)
        return here[name]

    monkeypatch.setattr(metadata, "version", version)
    declare(monkeypatch, DECLARED, ["timm", "queue", "dev"])
    return here


def test_versions_and_extras_that_are_there(installed: dict[str, str]) -> None:
    found, extras = examine_versions()
    assert (found.name, found.state, found.remedy) == ("versions", "ok", "")
    assert "torch 2.15.0+cu132" in found.found
    assert found.facts["torch-fidelity"] == "0.4.0"
    assert (extras.state, extras.found) == ("ok", "There: timm. Not there: queue.")
    assert extras.remedy == 'Where you need one: pip install "adavit[queue]"'


@pytest.mark.parametrize(
    ("name", "version", "wanted"),
    [
        ("torch", "2.10.1", "torch>=2.11"),
        ("torch-fidelity", "0.5.0", "torch-fidelity<0.5,>=0.4"),
        ("torch-fidelity", "0.7-custom-build-x", "torch-fidelity<0.5,>=0.4"),
        ("torch-fidelity", None, "torch-fidelity<0.5,>=0.4"),
    ],
)
def test_a_package_that_does_not_do_is_a_problem(
    installed: dict[str, str], name: str, version: str | None, wanted: str
) -> None:
    installed.pop(name)
    if version is not None:
        installed[name] = version
    found, _ = examine_versions()
    assert found.state == "problem"
    assert wanted in found.found
    assert found.remedy == f"pip install --upgrade '{wanted}'"
    assert (version or "not installed") in found.found


def test_an_old_python_is_a_problem(
    installed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions.sys, "version_info", (3, 10, 4))
    found, _ = examine_versions()
    assert (found.state, "Expected Python 3.11" in found.found) == ("problem", True)


@pytest.mark.parametrize(
    ("version", "bounds", "met"),
    [
        ("2.11", ">=2.11.0", True),
        ("2.11.0a0+git", ">=2.11", True),
        ("2.9.1", ">=2.11", False),
        ("0.4.9", "<0.5,>=0.4", True),
        ("0.10", "<0.5,>=0.4", False),
    ],
)
def test_releases_compare_as_numbers(
    monkeypatch: pytest.MonkeyPatch, version: str, bounds: str, met: bool
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: version)
    assert is_met(Requirement(f"x{bounds}")) is met


def test_what_is_declared_is_what_the_project_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds that are compared are those of pyproject.toml, whatever else stands there."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"]]
    lines += [f"{each}; extra == '{name}'" for name, each_of in extras.items() for each in each_of]
    declare(monkeypatch, lines, list(extras))
    assert requirements() == {
        "": [Requirement(line) for line in project["dependencies"]],
        **{
            name: [Requirement(f"{each}; extra == '{name}'") for each in each_of]
            for name, each_of in extras.items()
        },
    }
    assert f"{versions.OLDEST_PYTHON[0]}.{versions.OLDEST_PYTHON[1]}" in project["requires-python"]


def test_without_an_installation_nothing_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", absent)
    monkeypatch.setattr(metadata, "version", absent)
    (found,) = examine_versions()
    assert "adavit not installed" in found.found
