"""From files and flags to one `PretrainConfig`, with every mistake reported at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from adavit.config.layers import explain, merge
from adavit.config.pretraining import PretrainConfig
from adavit.errors import UserError


def build_pretrain_config(layers: Sequence[Mapping[str, Any]]) -> PretrainConfig:
    """One validated configuration from layers, weakest first.

    Raises:
        UserError: Naming every mistake, a line each.
    """
    values = merge({"discriminator": {"kind": "vit"}}, *layers)
    try:
        return PretrainConfig.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(explain(error, values, PretrainConfig))) from None
