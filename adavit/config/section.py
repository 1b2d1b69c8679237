"""What all sections of a configuration have in common: frozen, strict, and open to the word "auto"."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

AUTO: Any = "auto"
"""Stands for a value that `adavit.config.auto.resolve` chooses; also the word a user may write for it."""


class ConfigModel(BaseModel):
    """A frozen section: unknown keys and infinities are errors, "auto" asks for the default."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _auto_means_default(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        fields = cls.model_fields
        return {
            key: value
            for key, value in values.items()
            if not (
                isinstance(value, str)
                and value == AUTO
                and key in fields
                and fields[key].default == AUTO
            )
        }
