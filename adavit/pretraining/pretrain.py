"""`pretrain`: from a configuration to a file with a trunk (Dosovitskiy et al. 2021, arXiv:2010.11929, B.1.2)."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from adavit.build.networks import build_discriminator
from adavit.config.layers import explain, merge
from adavit.config.pretraining import PretrainConfig, PretrainingConfig, resolve_pretraining
from adavit.config.run import MetricsConfig, RunConfig, RunSettings
from adavit.config.section import writable
from adavit.data import BatchSampler
from adavit.errors import RunError, UserError
from adavit.models.masked_patches.corruption import draw_corruption
from adavit.models.masked_patches.prediction import (
    MaskedPatchHead,
    head_for,
    masked_patch_loss,
    predict_corrupted,
)
from adavit.models.vit.encoder import VisionEncoder
from adavit.pretraining.measure import Measurement, figure_line
from adavit.runs.directory import RunDirectory
from adavit.runs.trunk_file import save_trunk
from adavit.runtime.console import Console, SilentConsole, Status
from adavit.runtime.precision import forward_precision
from adavit.runtime.randomness import generator_for, seed_for
from adavit.runtime.signals import Stopped, StopRequest
from adavit.training.start.workload import Workload, absolute_source, prepare

TRUNK, LOG = "trunk.safetensors", "pretraining.jsonl"
"""What a pre-training leaves in its directory."""


def build_pretrain_config(layers: Sequence[Mapping[str, Any]]) -> PretrainConfig:
    """One validated configuration from layers of files and flags, weakest first.

    Raises:
        UserError: Naming every mistake, a line each.
    """
    values = merge({"discriminator": {"kind": "vit"}}, *layers)
    try:
        return PretrainConfig.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(explain(error, values, PretrainConfig))) from None


def pretrain(config: PretrainConfig | None = None, *, console: Console | None = None) -> Path:
    """Trains the trunk of a ViT discriminator to predict corrupted patches.

    Example:
        >>> file = pretrain(PretrainConfig(data={"source": "small_set"}))
        >>> settings = {"discriminator": {"kind": "vit"}, "training": {"init_discriminator": file}}
        >>> adavit.train(adavit.RunConfig(**settings))

    Args:
        config: What to do; None takes every default.
        console: Told how it goes; None says nothing.

    Returns:
        The trunk file, which `training.init_discriminator` takes.

    Raises:
        UserError: If the user can mend it; nothing has been trained then.
        RunError: If a number is not finite; the file of the last measurement is good.
        Stopped: After SIGINT or SIGTERM, with the file written.
    """
    console = console or SilentConsole()
    config = config or PretrainConfig()
    RunDirectory.check_free(config.run.out)
    run = RunConfig(
        data=config.data,
        discriminator=config.discriminator,
        metrics=writable(MetricsConfig)(names=()),
        run=writable(RunSettings)(seed=config.run.seed, device=config.run.device),
    )
    workload = prepare(run, console)
    section = resolve_pretraining(config.pretraining, device=workload.device.type)
    patch, side = (
        workload.config.discriminator.model_dump()["patch"],
        workload.config.data.resolution,
    )
    if patch == side:
        raise UserError(
            f"discriminator.patch is {patch}, which makes one patch of an image of {side} px, but a"
            " hidden patch is predicted from others. Use a smaller patch."
        )
    directory = RunDirectory.create(config.run.out, f"{workload.image_set.name}-pretrain")
    pretraining = _Pretraining(workload, section, directory, console)
    pretraining.run()
    return pretraining.file


class _Pretraining:
    """The loop: measure and save, done?, one step.

    Args:
        workload: Data and settings of the discriminator.
        section: Resolved.
        directory: Where the files go.
        console: Told how it goes.
    """

    def __init__(
        self,
        workload: Workload,
        section: PretrainingConfig,
        directory: RunDirectory,
        console: Console,
    ) -> None:
        self.workload = workload
        self.section = section
        self.directory = directory
        self.file = directory.path / TRUNK
        self.console = console
        self.encoder, self.head = _networks(workload)
        self.optimizer = _adamw(self.encoder, self.head, section)
        # What the rest of the project trains in, on this device.
        self.autocast = torch.bfloat16 if workload.config.training.precision == "bf16" else None
        self.batches = BatchSampler(
            workload.image_set,
            workload.split.train,
            seed=workload.config.run.seed,
            purpose="pre-training data",
            device=workload.device,
            mirror=workload.config.data.mirror,
        )
        self.measurement = Measurement(
            workload,
            patch=workload.config.data.resolution // self.encoder.layout.rows,
            batch=section.batch,
            autocast=self.autocast,
        )
        steps = math.ceil(round(1000 * section.total_kimg) / section.batch)
        self.total = section.batch * max(1, steps)
        self.images = 0
        self.figures: dict[str, Any] = {}
        self.losses: list[Tensor] = []  # of the steps since the last measurement
        self.images_per_s: float | None = None

    def run(self) -> None:
        """Trains until the end or a signal."""
        every = 1000 * self.section.measure_every_kimg
        due, started, before = 0.0, time.perf_counter(), 0
        with StopRequest() as stop:
            while True:
                ended = self.images >= self.total
                if self.images >= due or ended:
                    if self.images:
                        seconds = time.perf_counter() - started
                        self.images_per_s = (self.images - before) / seconds
                    self._measure()
                    self._save()
                    due = every * (self.images // every + 1)
                    started, before = time.perf_counter(), self.images
                if stop.signal_number is not None:
                    self._save()
                    self.console.note(
                        f"The trunk at {self.images / 1000:g} kimg is in {self.file}."
                    )
                    raise Stopped(stop.signal_number)
                if ended:
                    self.console.note(
                        f"Finished at {self.images / 1000:g} kimg;"
                        f" {figure_line(self.figures)}.\nTrain with it: adavit train"
                        f" --discriminator vit --init-discriminator {self.file}"
                    )
                    return
                self._train_on_one_batch()

    def _train_on_one_batch(self) -> None:
        seed, device = self.workload.config.run.seed, self.workload.device
        images, _ = self.batches.batch(self.images, self.section.batch)
        stream = generator_for(seed, "corruption", self.images, device)
        corruption = draw_corruption(len(images), self.encoder.layout.patches, stream)
        with forward_precision(device, self.autocast):
            prediction = predict_corrupted(self.encoder, self.head, images, corruption)
        loss = masked_patch_loss(prediction)
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.get_total_norm(
            [
                weight.grad
                for network in (self.encoder, self.head)
                for weight in network.parameters()
                if weight.grad is not None
            ]
        )
        if not torch.isfinite(loss.detach() + norm):
            raise RunError(
                f"pre-training diverged: a number is not finite at {self.images / 1000:.1f} kimg."
                f" {self.file} of the last measurement is good; lower pretraining.learning_rate."
            )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(
                self.images + self.section.batch,
                peak=self.section.learning_rate,
                warmup=1000 * self.section.warmup_kimg,
                total=self.total,
            )
        self.optimizer.step()
        self.images += self.section.batch
        self.losses.append(loss.detach())
        self.console.status(self._status())

    def _measure(self) -> None:
        training_loss = float(torch.stack(self.losses).mean()) if self.losses else None
        self.losses.clear()
        self.figures = {
            "images": self.images,
            **self.measurement(self.encoder, self.head),
            "training_loss": training_loss,
        }
        self.directory.append(self.directory.path / LOG, self.figures)
        self.console.report(self._status())

    def _save(self) -> None:
        config = self.workload.config
        save_trunk(
            self.file,
            self.encoder,
            arguments=discriminator_arguments(self.workload),
            config={
                "data": {
                    **config.data.model_dump(mode="json"),
                    "source": absolute_source(config.data.source),
                },
                "discriminator": config.discriminator.model_dump(mode="json"),
                "pretraining": self.section.model_dump(mode="json"),
                "run": {"seed": config.run.seed},
            },
            data_fingerprint=self.workload.image_set.fingerprint,
            images=self.images,
            figures=self.figures,
        )

    def _status(self) -> Status:
        return Status(
            images=self.images,
            total_images=self.total,
            images_per_s=self.images_per_s,
            p=None,
            metric=figure_line(self.figures),
        )


def learning_rate(images: float, *, peak: float, warmup: float, total: float) -> float:
    """Linear from 0, then half a cosine to 0 (arXiv:2010.11929, B.1.2; arXiv:1608.03983, equation 5).

    Args:
        images: Images seen at the end of the step.
        peak: Highest rate.
        warmup: Images until it is reached.
        total: Images of the pre-training.
    """
    if images < warmup:
        return peak * images / warmup
    done = (images - warmup) / max(1.0, total - warmup)
    return peak * (1 + math.cos(math.pi * min(1.0, done))) / 2


def discriminator_arguments(workload: Workload) -> dict[str, Any]:
    """Keyword arguments of the `ViTDiscriminator`, without classes: a trunk knows of none."""
    return {
        "resolution": workload.config.data.resolution,
        "image_channels": workload.image_set.images.shape[1],
        "num_classes": 0,
        **workload.config.discriminator.model_dump(exclude={"kind"}),
    }


def _networks(workload: Workload) -> tuple[VisionEncoder, MaskedPatchHead]:
    config = workload.config
    # Drawn on the CPU, so that it starts from the same weights on every device.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(config.run.seed, "pre-training weights", 0))
        encoder = build_discriminator(
            config.discriminator,
            resolution=config.data.resolution,
            image_channels=workload.image_set.images.shape[1],
            num_classes=0,
        ).get_submodule("encoder")
        assert isinstance(encoder, VisionEncoder)
        head = head_for(encoder)
    return encoder.to(workload.device), head.to(workload.device)


def _adamw(
    encoder: VisionEncoder, head: MaskedPatchHead, section: PretrainingConfig
) -> torch.optim.AdamW:
    weights = [*encoder.parameters(), *head.parameters()]
    groups = [
        {"params": [w for w in weights if w.ndim > 1], "weight_decay": section.weight_decay},
        {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
    ]
    betas = (section.adam_beta1, section.adam_beta2)
    return torch.optim.AdamW(groups, lr=section.learning_rate, betas=betas, fused=True)
