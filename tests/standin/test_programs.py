"""Every command on an accelerator, without one."""

import pytest

from tests.standin.process import run_as_on_a_gpu

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "subjects", [("commands",), ("exploring", "projection", "memory")], ids=" ".join
)
def test_as_on_a_gpu(pytestconfig: pytest.Config, subjects: tuple[str, ...]) -> None:
    run_as_on_a_gpu(pytestconfig, *(f"tests/gpu/test_{subject}.py" for subject in subjects))
