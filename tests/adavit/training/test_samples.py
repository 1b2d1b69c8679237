"""The sample grids of a run."""

from collections.abc import Callable

import adavit
from adavit.config.run import RunConfig

Tiny = Callable[..., RunConfig]


def test_sample_names_have_decimals_only_where_the_cadence_needs_them(tiny: Tiny) -> None:
    layer = {"run": {"samples_every_kimg": 0.016}, "metrics": {"names": []}}
    run = adavit.train(tiny(layer, {"training": {"total_kimg": 0.032}}))
    names = sorted(path.name for path in (run / "samples").iterdir())
    assert names == ["000000.000kimg.png", "000000.016kimg.png", "000000.032kimg.png", "reals.png"]


def test_two_grids_within_a_thousand_images_have_names_of_their_own(tiny: Tiny) -> None:
    layer = {"run": {"samples_every_kimg": 1}, "metrics": {"names": []}}
    run = adavit.train(tiny(layer, {"training": {"total_kimg": 0.032}}))
    names = sorted(path.name for path in (run / "samples").iterdir())
    assert names == ["000000.032kimg.png", "000000kimg.png", "reals.png"]
