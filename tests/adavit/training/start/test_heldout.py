import re
from collections.abc import Callable
from typing import Any

import pytest

from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.training.start.workload import load_workload
from tests.telling import Told

Tiny = Callable[..., RunConfig]


def told(config: RunConfig) -> list[str]:
    console = Told()
    load_workload(config, console)
    return [note for note in console.notes if "no logits are taken" in note]


def layers(
    fraction: float, group: int, heuristic: str = "rt", subset: int | None = None
) -> dict[str, Any]:
    return {
        "data": {"val_fraction": fraction, "subset": subset},
        "discriminator": {"minibatch_std_group": group},
        "augment": {"heuristic": heuristic},
    }


@pytest.mark.parametrize(
    ("fraction", "group", "images"),
    [
        (0, 4, None),
        (0.02, 4, "1 held-out image"),
        (0.06, 4, "3 held-out images"),
        (0.08, 4, None),
        (0.02, 0, None),
        (0.08, 8, "4 held-out images"),
    ],
)
def test_fewer_held_out_images_than_are_compared_are_told_of(
    tiny: Tiny, fraction: float, group: int, images: str | None
) -> None:
    notes = told(tiny(layers(fraction, group)))
    key = "discriminator.minibatch_std_group"
    assert notes == (
        []
        if images is None
        else [
            f"Of {images} no logits are taken, and no r_v: the discriminator compares {group} images with each other"
            f" ({key}). Give a larger --val-fraction, for example {0.1 if group == 4 else 0.2}, or --set {key}=0."
        ]
    )


@pytest.mark.parametrize(
    ("fraction", "group", "message"),
    [
        (
            0,
            0,
            r"rv, but no images are held out of 60, expected at least 1\. Give .* example 0\.1,",
        ),
        (
            0,
            8,
            r"rv, but no images are held out of 60, expected at least 8, the .* example 0\.2, or",
        ),
        (0.02, 4, r"rv, but 1 image is held out of 60, expected at least 4, the images that are c"),
        (0.06, 4, r"rv, but 3 images are held out of 60, expected at least 4, the .*std_group\)"),
    ],
)
def test_a_heuristic_on_held_out_images_needs_as_many_as_are_compared(
    tiny: Tiny, fraction: float, group: int, message: str
) -> None:
    with pytest.raises(UserError, match=rf"augment\.heuristic is {message}"):
        told(tiny(layers(fraction, group, "rv")))


@pytest.mark.parametrize("heuristic", ["rt", "rv"])
@pytest.mark.parametrize(
    ("subset", "group", "flags"),
    [
        (None, 8, "a larger --val-fraction, for example 0.2"),
        (None, 16, "a larger --val-fraction, for example 0.4"),
        (40, 16, "a larger --val-fraction, for example 0.4"),
        (55, 8, "--subset 52 with --val-fraction 0.2"),
        (59, 16, "--subset 44 with --val-fraction 0.4"),
    ],
)
def test_what_is_advised_is_enough(
    tiny: Tiny, heuristic: str, subset: int | None, group: int, flags: str
) -> None:
    batch = {"training": {"batch": 16}}
    given = layers(0.02, group, heuristic, subset)
    try:
        (message,) = told(tiny(given, batch))
    except UserError as error:
        message = str(error)
    assert f"Give {flags}, or" in message
    found = dict(re.findall(r"--(subset|val-fraction)\D* (\d[\d.]*\b)", message))
    fewer = int(found["subset"]) if "subset" in found else subset
    assert told(tiny(layers(float(found["val-fraction"]), group, heuristic, fewer), batch)) == []


def test_where_no_fraction_is_enough_none_is_advised(tiny: Tiny) -> None:
    batch = {"training": {"batch": 32}}
    (note,) = told(tiny(layers(0.5, 32), batch))
    assert note.endswith("std_group). Give --set discriminator.minibatch_std_group=0.")
    with pytest.raises(UserError, match=r"std_group\)\. Use --heuristic rt\.$"):
        told(tiny(layers(0.5, 32, "rv"), batch))


def test_as_many_as_are_compared_steer(tiny: Tiny) -> None:
    assert told(tiny(layers(0.08, 4, "rv"))) == []
