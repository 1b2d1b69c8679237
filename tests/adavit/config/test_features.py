import pytest
from pydantic import ValidationError

from adavit.config.run import RunConfig


def test_a_deviation_of_0_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"features\.std is 0\.2, 0, 0\.2, but each must"):
        RunConfig.model_validate({"features": {"std": [0.2, 0.0, 0.2]}})
