"""Every command on an accelerator, without one."""

import pytest

from tests.standin.process import run_as_on_a_gpu

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("file", ["test_commands.py", "test_memory.py"])
def test_as_on_a_gpu(pytestconfig: pytest.Config, file: str) -> None:
    run_as_on_a_gpu(pytestconfig, f"tests/gpu/{file}")
