"""A network without weights in Inception's place, for tests of what is told of related features."""

from typing import Any

from adavit.metrics import RandomFeatures, choose_extractor


class StandIn(RandomFeatures):
    """Inception, as far as names and kinship go."""

    name = "inception"
    learned_from = "ImageNet"


def choose_stand_in(requested: str, **arguments: Any) -> Any:
    """In the place of `choose_extractor`."""
    if requested in ("auto", "inception"):
        return StandIn(), None
    return choose_extractor(requested, **arguments)  # type: ignore[arg-type]
