import ast
import inspect

import pytest
import torch

import adavit
from adavit.publishing import plain_generator
from tests.adavit.publishing.conftest import WriteGenerator


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": 4, "noise": "none"},
        {"resolution": 16, "image_channels": 1, "noise": "bounded", "mapping_layers": 5},
        {"resolution": 32, "image_channels": 4, "num_classes": 3, "mapping_lr_multiplier": 1.0},
        {"resolution": 256, "num_classes": 1},
        {"resolution": "24x40", "image_channels": 1},
        {"resolution": "48x32", "image_channels": 4, "num_classes": 2},
        {"resolution": 28},
    ],
)
def test_it_draws_what_the_generator_draws(
    write_generator: WriteGenerator, changes: dict[str, object]
) -> None:
    file = write_generator(**changes)
    generator = adavit.load_generator(file)
    weights, sizes = plain_generator.read(str(file))
    latents = torch.randn(3, 6)
    labels = torch.tensor([0, 2, 1]) % generator.num_classes if generator.num_classes else None
    for truncation in (1.0, 0.7):
        expected = generator(latents, labels, truncation=truncation)
        drawn = plain_generator.draw(weights, sizes, latents, labels, truncation)
        scale = float(expected.abs().max())
        torch.testing.assert_close(drawn, expected, rtol=0, atol=1e-5 * scale)


def test_it_needs_nothing_but_torch_and_safetensors() -> None:
    tree = ast.parse(inspect.getsource(plain_generator))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported == {"json", "collections", "typing", "torch", "safetensors"}
