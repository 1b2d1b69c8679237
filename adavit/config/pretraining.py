"""The configuration of a pre-training: the one place where its defaults live."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationError

from adavit.config.discriminator import ViTConfig
from adavit.config.layers import merge, origins_of
from adavit.config.mistakes import explain
from adavit.config.precision import choose_precision
from adavit.config.run import DataConfig
from adavit.config.section import (
    AUTO,
    MOST,
    SEED_END,
    ConfigModel,
    DeviceName,
    UserPath,
    Writable,
    auto,
    rule,
    writable,
)
from adavit.errors import UserError


class PretrainingConfig(ConfigModel):
    """Length and optimisation, by AdamW (arXiv:1711.05101)."""

    total_kimg: float = auto(gt=0, le=1e9)
    """Thousands of images. auto: 200, on a CPU 50."""
    batch: int = Field(64, ge=1, le=MOST)
    """Images per step; as a run on an accelerator takes."""
    precision: Literal["float32", "bf16"] = auto()
    """Numbers that the networks calculate with. auto: as for training.precision."""
    learning_rate: float = auto(gt=0)
    """Highest step. auto: 0.0002 (ViT paper, B.1.2), on a CPU 0.005
    (benchmarks/results/pretraining_cpu.md)."""
    warmup_kimg: float = auto(ge=0)
    """Thousands of images over which the step rises from 0; then it falls along half a cosine to 0. auto:
    a hundredth of total_kimg, as in the ViT paper, B.1.2."""
    adam_beta1: float = Field(0.9, ge=0, lt=1)
    """Decay of the first moment; as MAE (arXiv:2111.06377, table 8)."""
    adam_beta2: float = Field(0.95, ge=0, lt=1)
    """Decay of the second moment; as MAE."""
    weight_decay: float = Field(0.05, ge=0)
    """Of matrices and embeddings, not of biases, gains and LayerScale; as MAE."""
    measure_every_kimg: float = auto(gt=0)
    """Thousands of images between measurements, at each of which the file is written. auto: a tenth of
    total_kimg."""


class PretrainingRun(ConfigModel):
    """Output directory, seed and device of a pre-training."""

    out: UserPath | None = Field(None)
    """The directory. None: the next number below runs/."""
    seed: int = Field(0, ge=0, lt=SEED_END)
    """Start of every random stream; a run with the same seed holds out the same images."""
    device: DeviceName = Field("auto")
    """What calculates. auto: cuda where there is one, else cpu."""


class PretrainConfig(ConfigModel):
    """What a user may write of a pre-training; what is left open holds the word "auto"."""

    data: Writable[DataConfig] = writable(DataConfig)()
    discriminator: Writable[ViTConfig] = writable(ViTConfig)()
    pretraining: Writable[PretrainingConfig] = writable(PretrainingConfig)()
    run: PretrainingRun = PretrainingRun()

    @rule("data.cond")
    def _without_classes(self) -> None:
        if self.data.cond:
            raise ValueError(
                "data.cond is on, but pre-training looks at no classes, expected it off. Leave it"
                " out; adavit train --cond takes the same file."
            )

    def as_dict(self) -> dict[str, Any]:
        """Sections as plain values; the inverse of `PretrainConfig.model_validate`."""
        return self.model_dump(mode="json", warnings=False)


def build_pretrain_config(layers: Sequence[Mapping[str, Any]]) -> PretrainConfig:
    """One validated configuration from layers of files and flags, weakest first.

    Raises:
        UserError: Naming every mistake, a line each.
    """
    values = merge({"discriminator": {"kind": "vit"}}, *layers)
    try:
        return PretrainConfig.model_validate(values)
    except ValidationError as error:
        raise UserError(
            "\n".join(explain(error, values, PretrainConfig, origins=origins_of(layers)))
        ) from None


def resolve_pretraining(
    section: PretrainingConfig, *, device: str, bf16: bool | None = None
) -> PretrainingConfig:
    """Chooses what was left open.

    Args:
        section: As given.
        device: "cpu" or "cuda".
        bf16: Whether it has units for bfloat16, as for `choose_precision`.
    """
    on_cpu = device == "cpu"
    given = {
        key: value for key, value in section.model_dump(warnings=False).items() if value != AUTO
    }
    # On small_set most is learnt in 20 kimg, as benchmarks/results/pretraining_cpu.md shows.
    total = given.get("total_kimg", 50.0 if on_cpu else 200.0)
    chosen = {
        "total_kimg": total,
        "precision": choose_precision(device, bf16)[0],
        "learning_rate": 5e-3 if on_cpu else 2e-4,
        "warmup_kimg": total / 100,
        "measure_every_kimg": total / 10,
    }
    return PretrainingConfig.model_validate(chosen | given)
