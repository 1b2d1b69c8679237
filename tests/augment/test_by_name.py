import pytest

from adavit.augment import PRESETS, AugmentPipe, DiffAugment, make_pipe
from adavit.augment.pipeline import GROUPS
from tests.augment.helpers import pipe_of


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_switch_on_their_groups(name: str) -> None:
    pipe = pipe_of(name)
    found = [operation for group in GROUPS for operation in getattr(pipe, group).names]
    assert found == [
        operation for group in PRESETS[name] for operation in GROUPS[group].operations()
    ]


def test_overrides_replace_what_the_preset_says() -> None:
    pipe = pipe_of("bgc", rotate90=0, scale_std=0.1)
    assert "rotate90" not in pipe.blitting.names
    assert pipe.geometric.scale_std == 0.1


def test_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no preset 'bgg'; expected one of .*Use 'bg"):
        make_pipe("bgg")


def test_a_pipe_by_name_is_of_its_kind_at_p_of_one() -> None:
    for name in PRESETS:
        pipe = make_pipe(name)
        assert isinstance(pipe, AugmentPipe)
        assert pipe.p.item() == 1
    assert isinstance(make_pipe("diffaug", policies=("color",)), DiffAugment)


@pytest.mark.parametrize(
    ("preset", "name", "message"),
    [
        ("diffaug", "rotate", r"DiffAugment has no 'rotate'; expected .*: policies, .* Use '"),
        ("diffaug", "cutout", r"DiffAugment has no 'cutout'; .* Use 'cutout_size'\.$"),
        ("bgc", "rotat", r"AugmentPipe has no 'rotat'; .* Use 'rotate'\.$"),
        ("bgc", "policies", r"AugmentPipe has no 'policies'; "),
    ],
)
def test_an_unknown_setting_of_a_preset_names_the_nearest(
    preset: str, name: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_pipe(preset, **{name: 1})
