"""Checkpoints written before a module was moved go on loading."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


def accept_earlier_names(network: nn.Module, names: Mapping[str, str]) -> None:
    """Renames entries of a state as it is loaded; the order of the parameters must be as it was.

    Args:
        network: What is loaded into.
        names: Patterns of earlier names, from their beginning, and what replaces them.
    """

    def rename(_: nn.Module, state: dict[str, Tensor], prefix: str, *__: Any) -> None:
        for key in [key for key in state if key.startswith(prefix)]:
            for earlier, now in names.items():
                renamed, count = re.subn(f"^{earlier}", now, key.removeprefix(prefix))
                if count:
                    state[prefix + renamed] = state.pop(key)
                    break

    network.register_load_state_dict_pre_hook(rename)
