"""What was found about one thing of a machine."""

from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["ok", "note", "problem"]
"""As it should be; worth knowing; prevents training."""


@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes:
        name: Of what was looked at.
        state: As in `State`.
        found: In a sentence or two.
        remedy: What to do about it; empty where there is nothing to do.
        facts: The same as plain values, for programs.
    """

    name: str
    state: State
    found: str
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
