import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

USE_A_PRESET = """
import adavit, configs, sys
assert configs.__file__.startswith(sys.argv[1]), configs.__file__
from adavit.settings import build_config, preset_names, read_preset
assert "stylegan2-ada" in preset_names()
print(build_config([read_preset("stylegan2-ada")]).training.total_kimg)
"""


@pytest.mark.slow
def test_a_preset_is_read_from_an_installed_wheel_outside_the_clone(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    members = zipfile.ZipFile(wheel).namelist()
    assert "configs/presets/stylegan2-ada.yaml" in members
    assert "configs/ablations/smoke.yaml" in members
    assert "adavit/report/templates/report.js" in members
    assert any(name.endswith("licenses/LICENSE") for name in members)
    assert not [name for name in members if name.startswith(("tests/", "benchmarks/"))]

    target = tmp_path / "installed"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        target,
        wheel,
    ]
    subprocess.run(install, check=True, capture_output=True)
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    used = subprocess.run(
        [sys.executable, "-c", USE_A_PRESET, str(target)],
        cwd=outside,
        env={**os.environ, "PYTHONPATH": str(target)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert used.stdout.strip() == "25000.0"
