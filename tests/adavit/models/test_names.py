from collections.abc import Callable
from typing import Any, get_args

import pytest

from adavit.models import names
from adavit.models.resnet.discriminator import FORMS, NORMALIZATIONS
from adavit.models.vit.parts import ATTENTIONS, CONSTRAINTS, POSITIONS, READOUTS, STEMS
from adavit.runtime.patch import Patch
from tests.networks import make_generator, make_resnet, make_vit


@pytest.mark.parametrize(
    ("listed", "table"),
    [
        (names.ResNetForm, FORMS),
        (names.Normalization, NORMALIZATIONS),
        (names.Side, dict.fromkeys(names.SIDES)),
        (names.Stem, STEMS),
        (names.PositionEmbedding, POSITIONS),
        (names.AttentionKind, ATTENTIONS),
        (names.ReadoutKind, READOUTS),
        (names.WeightConstraint, CONSTRAINTS),
    ],
)
def test_each_name_stands_for_something_and_nothing_is_without_one(
    listed: Any, table: dict[str, Any]
) -> None:
    assert get_args(listed) == tuple(table)


GOOD = {
    "stem": "overlap",
    "position_embedding": "learned1d",
    "attention": "qknorm",
    "patch": Patch(4, 4),
    "width": 16,
    "heads": 2,
    "patch_drop": 0.0,
}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"stem": "conv", "patch": Patch(3, 3)}, "patch is 3, but must be 2, 4, 8"),
        ({"stem": "spt", "patch": Patch(1, 1)}, "patch is 1, but must be at least 2"),
        (
            {"stem": "hybrid", "patch": Patch(3, 5)},
            r"^patch is 3x5, but must be 2, 4, 8, \.\.\. on each side for stem hybrid, which halves them\."
            r" Use 2x4, or stem linear\.$",
        ),
        (
            {"stem": "spt", "patch": Patch(1, 4)},
            "^patch is 1x4, but must be at least 2 for stem spt on each side, .* Use 2x4, or stem linear",
        ),
        (
            {"position_embedding": "sincos2d", "width": 18},
            "width is 18, but must be a multiple of 4",
        ),
        ({"position_embedding": "rope2d", "heads": 8}, "heads is 8, but width / heads"),
        ({"attention": "axial", "patch_drop": 0.5}, "patch_drop is 0.5, but attention is axial"),
    ],
)
def test_parts_that_do_not_go_together_name_what_to_change(
    wrong: dict[str, Any], message: str
) -> None:
    names.check_parts(**GOOD)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        names.check_parts(**{**GOOD, **wrong})


@pytest.mark.parametrize(
    ("make", "key", "known"),
    [
        (make_resnet, "normalization", "none, chain"),
        (make_resnet, "form", "residual, plain, r3gan"),
        (make_generator, "noise", "none, learned, bounded"),
        (make_vit, "stem", "linear, overlap, conv, hybrid, spt"),
        (make_vit, "position_embedding", "learned1d, .*"),
        (make_vit, "attention", "dot, .*"),
        (make_vit, "readout", "cls, .*"),
        (make_vit, "weight_constraint", "none, sn, isn"),
    ],
)
def test_a_name_that_stands_for_nothing_is_told_with_those_that_do(
    make: Callable[..., object], key: str, known: str
) -> None:
    for name in ("foo", ""):
        message = rf"^{key} is '{name}', but must be one of {known}\. Use one of them\.$"
        with pytest.raises(ValueError, match=message):
            make(resolution=16, **{key: name})


def test_a_part_is_what_its_name_stands_for() -> None:
    assert names.part({"a": 1, "b": 2}, "letter", "b") == 2
    with pytest.raises(ValueError, match=r"^letter is 'c', but must be one of a, b\. Use one of"):
        names.part({"a": 1, "b": 2}, "letter", "c")
