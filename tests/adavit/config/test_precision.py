import pytest

from adavit.config.precision import choose_precision


@pytest.mark.parametrize(
    ("device", "bf16", "precision", "said"),
    [
        ("cpu", None, "float32", ""),
        ("cpu", False, "float32", ""),
        ("cpu", True, "bf16", "this processor has units"),
        ("cuda", None, "bf16", ""),
        ("cuda", True, "bf16", ""),
        ("cuda", False, "float32", "only emulates bf16"),
    ],
)
def test_precision_of_a_device_and_why_it_is_not_the_usual_one(
    device: str, bf16: bool | None, precision: str, said: str
) -> None:
    chosen, why = choose_precision(device, bf16)
    assert chosen == precision
    assert said in why
    assert bool(why) is bool(said)


def test_a_sentence_that_tells_of_bf16_names_what_keeps_from_it() -> None:
    _, why = choose_precision("cpu", True)
    assert why.startswith("Calculating in bf16")
    assert why.endswith("; --set training.precision=float32 keeps to float32.")
    _, why = choose_precision("cpu", True, named="pretraining.precision")
    assert why.endswith("; --set pretraining.precision=float32 keeps to float32.")
