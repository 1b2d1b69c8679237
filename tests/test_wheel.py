"""What is installed: one package, whatever files lie beside the user's script."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES_OF_OUR_FOLDERS = ("augment", "benchmarks", "cli", "configs", "tests")

USE_THE_API = """
import sys, adavit, adavit.augment, adavit.cli.main, adavit.configs
for module in (adavit, adavit.augment, adavit.cli.main, adavit.configs):
    assert module.__file__.startswith(sys.prefix), module.__file__
import torch
from adavit.augment import make_pipe
assert make_pipe("bgc")(torch.zeros(2, 3, 8, 8)).shape == (2, 3, 8, 8)
print(adavit.load_generator("run").latent_dim)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution of a copy: what an earlier build listed in *.egg-info would count as named."""
    folder, copy = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("copy")
    for path in ROOT.iterdir():
        if path.name in ("adavit", "docs", "examples", *NAMES_OF_OUR_FOLDERS):
            shutil.copytree(path, copy / path.name, symlinks=True)
        elif path.is_file():
            shutil.copy(path, copy)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, copy]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel, and sees this one's dependencies but not its adavit."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    install = ["install", "--quiet", "--no-deps", wheel]
    python = folder / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, *install], check=True, capture_output=True
    )
    return folder


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder of a user's that holds modules of the names of our folders, none of which can be imported."""
    for name in NAMES_OF_OUR_FOLDERS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the user\\'s own module')\n")
    return tmp_path


def site_packages(environment: Path) -> Path:
    (folder,) = environment.glob("lib/python*/site-packages")
    return folder


def run_in(environment: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Paths of a .pth file are searched last, and the .pth files in them (editable installs) are not read.
    dependencies = site_packages(environment) / "dependencies.pth"
    dependencies.write_text(sysconfig.get_paths()["purelib"])
    return subprocess.run(
        [str(environment / "bin" / arguments[0]), *arguments[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "ADAVIT_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_wheel_holds_what_the_program_reads_and_nothing_of_its_tests(wheel: Path) -> None:
    members = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "adavit/configs/presets/stylegan2-ada.yaml",
        "adavit/configs/ablations/smoke.yaml",
        "adavit/configs/sweeps/smoke.yaml",
        "adavit/report/templates/report.js",
        "adavit/report/templates/sortable_table.js",
        "adavit/report/templates/report.html.j2",
        "adavit/serving/page/index.html",
        "adavit/serving/page/studio.css",
        "adavit/serving/page/studio.js",
        "adavit/metrics/extractors/drawn.safetensors",
        "adavit/py.typed",
    ):
        assert needed in members
    assert any(name.endswith("licenses/LICENSE") for name in members)
    sources = {
        str(path.relative_to(ROOT / folder))
        for folder in ("augment", "cli", "adavit")
        for path in (ROOT / folder).rglob("*.py")
    }
    packed = [name.removeprefix("adavit/") for name in members if name.endswith(".py")]
    stripped = {
        name.removeprefix(f"{folder}/") for name in packed for folder in ("augment", "cli", "")
    }
    assert sources <= stripped


@pytest.mark.slow
def test_the_source_distribution_holds_its_tests_and_what_they_read(wheel: Path) -> None:
    (source,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        members = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("benchmarks", "docs", "examples", "tests")
    files = {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {path.partition("/")[0] for path in files} == {*folders}
    left_out = sorted(files - members)
    assert not left_out, f"{left_out}: name them in MANIFEST.in"


@pytest.mark.slow
def test_one_name_is_installed(environment: Path) -> None:
    found = {path.name for path in site_packages(environment).iterdir()} - {"dependencies.pth"}
    assert {name.partition("-")[0] for name in found} == {"adavit"}


@pytest.mark.slow
def test_files_of_the_users_that_bear_our_folders_names_are_left_alone(
    environment: Path, beside: Path
) -> None:
    trained = run_in(
        environment,
        beside,
        "adavit",
        *"train --data small_set:40 --preset smoke --kimg 0.032 --fakes 20".split(),
        *"--metrics fid --out run".split(),
    )
    assert trained.returncode == 0, trained.stderr
    used = run_in(environment, beside, "python", "-c", USE_THE_API)
    assert (used.stdout.strip(), used.stderr) == ("32", ""), used.stderr


@pytest.mark.slow
def test_the_package_runs_as_a_module_and_under_torchrun(environment: Path, beside: Path) -> None:
    listed = run_in(environment, beside, "python", "-m", "adavit", "presets")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.startswith("auto ")
    trained = run_in(
        environment,
        beside,
        *"python -m torch.distributed.run --standalone --nproc-per-node 2 -m adavit train".split(),
        *"--data small_set:40 --preset smoke --kimg 0.032 --metrics none --device cpu --out run".split(),
    )
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.count("Everything is in run.") == 1


@pytest.mark.slow
def test_an_editable_installation_adds_one_name(tmp_path: Path) -> None:
    build = f"import setuptools.build_meta as b; print(b.build_editable({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", build], cwd=ROOT, check=True, capture_output=True)
    (editable,) = tmp_path.glob("*.whl")
    target = tmp_path / "site-packages"
    zipfile.ZipFile(editable).extractall(target)
    names = "import importlib.util, site, sys; site.addsitedir(sys.argv[1])\n" + "\n".join(
        f"assert (importlib.util.find_spec({name!r}) is not None) is {name.startswith('adavit')}, {name!r}"
        for name in ("adavit", "adavit.augment", "adavit.cli", *NAMES_OF_OUR_FOLDERS)
    )
    seen = subprocess.run(
        [sys.executable, "-S", "-c", names, str(target)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert seen.returncode == 0, seen.stderr
