"""Network pickles that tests share."""

from pathlib import Path

import pytest

from tests.network_pickles import write_networks


@pytest.fixture(scope="session")
def network_pickle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unconditional networks of 16 px."""
    return write_networks(tmp_path_factory.mktemp("pickles") / "faces.pkl")
