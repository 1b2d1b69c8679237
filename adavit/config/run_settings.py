"""The section `run` of a run's configuration: where it lies, its seed and device, what it writes and how often."""

from typing import Any

from pydantic import Field, model_validator

from adavit.config.keep import with_kept_apart
from adavit.config.section import (
    SEED_END,
    Budget,
    ConfigModel,
    DeviceName,
    MemoryAmount,
    UserPath,
    auto,
    schema_types,
)


class RunSettings(ConfigModel):
    """Run directory, seed, device and intervals; seed, device and the slices that memory chooses change the weights."""

    out: UserPath | None = Field(None)
    """The run directory. None: the next number below runs/."""
    seed: int = Field(0, ge=0, lt=SEED_END)
    """Start of every random stream."""
    device: DeviceName = Field("auto")
    """What calculates. auto: cuda where there is one, else cpu."""
    memory: MemoryAmount | None = Field(None)
    """What a step of each process may take, such as 8GB: the largest training.microbatch that is foreseen to fit is
    chosen when the run starts, and stored in its place. None: training.microbatch as it is."""
    status_every_kimg: float = auto(gt=0)
    """Thousands of images between lines of stats.jsonl. auto: 4, on a CPU 1."""
    samples_every_kimg: float = auto(gt=0)
    """Thousands of images between sample grids. auto: as metrics.every_kimg."""
    checkpoint_every_kimg: float = auto(gt=0)
    """Thousands of images between checkpoints. auto: as metrics.every_kimg."""
    budget: Budget | None = Field(None)
    """Time that the run may take, such as 2h, 30m, 90s or 1h30m, in place of training.total_kimg, which is then chosen,
    and the cadence of what is left open. A run that goes on has what is left; given anew, the clock begins anew.
    None: as long as it takes."""
    keep_checkpoints: int = Field(
        2, ge=1, le=1000, json_schema_extra=schema_types("integer", "string")
    )
    """Checkpoints to keep: the newest and those before it, which are taken where it is damaged. 3,every:200 sets
    keep_every_kimg too; every:200, or 3, leaves the other as it was."""
    keep_every_kimg: float | None = Field(None, gt=0)
    """Thousands of images between generators that stay beside the best and the last one, as
    generator-000200.safetensors. None: none stays."""

    @model_validator(mode="before")
    @classmethod
    def _kept_with_commas(cls, values: Any) -> Any:
        return with_kept_apart(values) if isinstance(values, dict) else values
