"""Training steps on an accelerator, without one: every network, term and augmentation, and where the host waits."""

import pytest

from tests.standin.process import run_as_on_a_gpu

pytestmark = pytest.mark.slow

SUBJECTS = ("augmentation", "determinism", "networks", "objectives", "precision", "streams")


def test_the_stand_in_itself_and_waits(pytestconfig: pytest.Config) -> None:
    run_as_on_a_gpu(pytestconfig, "tests/standin")


def test_as_on_a_gpu(pytestconfig: pytest.Config) -> None:
    run_as_on_a_gpu(pytestconfig, *(f"tests/gpu/test_{subject}.py" for subject in SUBJECTS))
