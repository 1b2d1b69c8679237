from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from adavit.config.run import RunConfig
from adavit.training.start.build import Start
from adavit.training.start.data_advice import advice_on
from adavit.training.start.workload import load_workload, prepare
from tests.telling import Told

Tiny = Callable[..., RunConfig]


@pytest.fixture
def doubled(pictures: Path) -> Path:
    for path in sorted(pictures.glob("squares/*.png"))[:4]:
        path.with_name(f"copy_{path.name}").write_bytes(path.read_bytes())
    for index in range(4):
        Image.new("RGB", (16, 16), (40 * index, 9, 9)).save(pictures / "stripes" / f"{index}.png")
    return pictures


def test_a_new_run_warns_of_copies_and_blank_images(tiny: Tiny, doubled: Path) -> None:
    notes = Told()
    Start().prepare(tiny({"metrics": {"names": []}, "data": {"val_fraction": 0}}), notes)
    warnings = [line for line in notes.notes if "adavit data check" in line]
    assert [line.split(";")[0] for line in warnings] == [
        "Warning: 4 images are exact copies of another one, which so counts double",
        "Warning: 4 images are of one colour, or nearly",
    ]
    assert all(str(doubled) in line for line in warnings)


def test_a_resumed_run_does_not_look_again(tiny: Tiny, doubled: Path) -> None:
    notes = Told()
    prepare(tiny({"metrics": {"names": []}}), notes)
    assert not any("adavit data check" in line for line in notes.notes)


def test_images_that_do_not_train_do_not_count(tiny: Tiny, doubled: Path) -> None:
    few = tiny({"metrics": {"names": []}, "data": {"subset": 2, "val_fraction": 0}})
    assert advice_on(load_workload(few, Told())) == []


def test_a_class_that_the_split_leaves_without_images_is_named(tiny: Tiny, pictures: Path) -> None:
    images = {"subset": 1, "val_fraction": 0, "cond": True}
    (line,) = advice_on(load_workload(tiny({"metrics": {"names": []}, "data": images}), Told()))
    assert line.startswith("Warning: 1 class has no image to train on (")
