"""A studio of a tiny generator with three classes, of which two have training images."""

from pathlib import Path

import pytest

from adavit.serving.drawing import RecipeDrawer
from tests.stored_generators import store_generator
from tests.telling import Told


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return store_generator(folder / "generator.safetensors", num_classes=3, image_channels=4)


@pytest.fixture(scope="session")
def drawer(source: Path) -> RecipeDrawer:
    return RecipeDrawer.open(source, device="cpu", console=Told())
