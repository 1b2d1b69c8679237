"""The published results, for tests that compare with them."""

import numpy as np
import pytest

from tests.augment.helpers import PUBLISHED


@pytest.fixture(scope="session")
def published() -> dict[str, np.ndarray]:
    """What the published implementation returns in the deterministic mode."""
    if not PUBLISHED.exists():
        pytest.skip(f"{PUBLISHED} is not there; it is not part of the package")
    with np.load(PUBLISHED) as archive:
        return {name: archive[name] for name in archive}
