"""The record in words."""

from typing import Any

from adavit.diagnostics.memorisation.summary import summarise_memorisation


def test_the_summary_says_which_side_comes_closer() -> None:
    def space(
        generated: tuple[int, float, float], heldout: dict[str, Any] | None
    ) -> dict[str, Any]:
        closer, low, high = generated
        return {
            "distance": "unit",
            "threshold": 1.5,
            "leave_one_out_median": 2.0,
            "generated": _closer(closer, low, high),
            "heldout": heldout,
        }

    record = {
        "protocol": {"n_fake": 100, "n_train": 50, "data": "d", "mirror": False, "percentile": 1.0},
        "caution": "careful",
        "spaces": {
            "features": space((30, 0.2, 0.4), _closer(2, 0.01, 0.07)),
            "pixels": space((2, 0.01, 0.07), None),
        },
        "duplicates": {
            "images": 60,
            "exact_copies": 1,
            "near_pairs": 2,
            "flips_considered": True,
        },
    }
    features, pixels = summarise_memorisation(record).split("pixels (")
    assert "30.0% close (30 of 100; 20.0 to 40.0%)" in features
    assert "come close to training images more often" in features
    assert "do not come close" in pixels
    assert "expect about 1% close" in pixels
    assert "1 exact copy and 2 pairs of near-duplicates, flips included" in pixels
    assert pixels.endswith("careful")


def _closer(closer: int, low: float, high: float) -> dict[str, Any]:
    return {
        "images": 100,
        "closer": closer,
        "share_closer": closer / 100,
        "share_interval": [low, high],
        "median": 3.0,
    }
