import math

import pytest

from adavit.config.pretraining import build_pretrain_config, resolve_pretraining
from adavit.models import ViTDiscriminator
from adavit.models.masked_patches.prediction import head_for
from adavit.models.names import AttentionKind, PositionEmbedding
from adavit.pretraining.loop import adamw, learning_rate
from tests.networks import VIT


def test_the_rate_rises_and_falls_to_zero() -> None:
    rate = {"peak": 2.0, "warmup": 10.0, "total": 50.0}
    assert learning_rate(5, **rate) == 1.0
    assert learning_rate(10, **rate) == 2.0
    assert learning_rate(20, **rate) == pytest.approx(1 + math.sqrt(0.5))
    assert learning_rate(30, **rate) == pytest.approx(1.0)
    assert learning_rate(50, **rate) == pytest.approx(0.0)
    assert learning_rate(3, peak=2.0, warmup=0.0, total=3.0) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("attention", "position"),
    [("dot", "learned1d"), ("lsa", "relative"), ("l2", "learned2d"), ("qknorm", "none")],
)
def test_matrices_and_embeddings_decay_and_nothing_else(
    attention: AttentionKind, position: PositionEmbedding
) -> None:
    sizes = {**VIT, "resolution": 16, "heads": 2, "depth": 2, "registers": 2, "layer_scale": 0.1}
    parts = {"attention": attention, "position_embedding": position}
    encoder = ViTDiscriminator(**sizes | parts).encoder
    head = head_for(encoder)
    decayed, left = adamw(
        encoder, head, resolve_pretraining(build_pretrain_config([]).pretraining, device="cpu")
    ).param_groups
    names = {weight: name for part in (encoder, head) for name, weight in part.named_parameters()}
    assert len(decayed["params"]) + len(left["params"]) == len(names)
    assert (decayed["weight_decay"], left["weight_decay"]) == (0.05, 0)
    for group, expected in ((decayed, True), (left, False)):
        for weight in group["params"]:
            name = names[weight]
            is_small = name.endswith(("bias", "temperature", "factors")) or "norm" in name
            is_bias = name.endswith("table") and weight.shape[0] == 2  # for each of the two heads
            assert (not is_small and not is_bias) is expected, name
