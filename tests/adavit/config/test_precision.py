import pytest

from adavit.config.precision import BF16_FROM, choose_precision
from adavit.runtime.resolution import Resolution


@pytest.mark.parametrize(
    ("device", "bf16", "side", "precision", "said"),
    [
        ("cpu", None, 64, "float32", ""),
        ("cpu", False, 64, "float32", ""),
        ("cpu", True, 8, "bf16", "AMX units of this processor"),
        ("cpu", True, 256, "bf16", "AMX units of this processor"),
        ("cuda", None, BF16_FROM, "bf16", ""),
        ("cuda", True, BF16_FROM, "bf16", ""),
        ("cuda", True, BF16_FROM - 8, "float32", "faster than bf16 below 64 px on CUDA"),
        ("cuda", False, BF16_FROM, "float32", "only emulates bf16"),
        ("cuda", False, BF16_FROM - 8, "float32", "only emulates bf16"),
    ],
)
def test_precision_of_a_device_and_why_it_is_not_the_usual_one(
    device: str, bf16: bool | None, side: int, precision: str, said: str
) -> None:
    chosen, why = choose_precision(device, bf16, Resolution.of(side))
    assert chosen == precision
    assert said in why
    assert bool(why) is bool(said)


def test_a_sentence_that_tells_of_bf16_names_what_keeps_from_it() -> None:
    _, why = choose_precision("cpu", True, Resolution.of(32))
    assert why.startswith("Calculating in bf16")
    assert why.endswith("; --set training.precision=float32 keeps to float32.")
