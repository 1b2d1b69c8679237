"""Training steps on an accelerator, without one: every network, term and augmentation, and where the host waits."""

import pytest

from tests.standin.process import run_as_on_a_gpu

pytestmark = pytest.mark.slow

SUBJECTS = ("augmentation", "determinism", "networks", "objectives", "precision", "streams")


ITSELF = ("full_size", "strictness", "vanishing", "waits")


def test_the_stand_in_itself_and_waits(pytestconfig: pytest.Config) -> None:
    run_as_on_a_gpu(pytestconfig, *(f"tests/standin/test_{subject}.py" for subject in ITSELF))


def test_two_of_different_size(pytestconfig: pytest.Config) -> None:
    # By itself: a process that is forked after a backward pass on a device can make none.
    run_as_on_a_gpu(pytestconfig, "tests/standin/test_unequal_devices.py")


def test_as_on_a_gpu(pytestconfig: pytest.Config) -> None:
    run_as_on_a_gpu(pytestconfig, *(f"tests/gpu/test_{subject}.py" for subject in SUBJECTS))
