"""The loop of a pre-training: measure, save, done?, one step (Dosovitskiy et al. 2021, arXiv:2010.11929, B.1.2)."""

import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from adavit.build.networks import build_discriminator
from adavit.config.pretraining import PretrainingConfig
from adavit.data import BatchSampler
from adavit.errors import RunError, UserError
from adavit.models.masked_patches.corruption import draw_corruption
from adavit.models.masked_patches.prediction import (
    MaskedPatchHead,
    head_for,
    masked_patch_loss,
    predict_corrupted,
)
from adavit.models.vit.attention import LocalityScore
from adavit.models.vit.encoder import VisionEncoder
from adavit.models.vit.position import RelativeBias
from adavit.pretraining.directory import PretrainingDirectory
from adavit.pretraining.measure import Measurement, figure_line
from adavit.pretraining.progress import PretrainingProgress
from adavit.pretraining.train_command import train_command
from adavit.runs.checkpoint import DoesNotFit, Stateful, restore, state_of
from adavit.runs.generations import LoadedCheckpoint, make_newest, save_newest
from adavit.runs.trunk_file import save_trunk
from adavit.runtime.console import Console, Status
from adavit.runtime.flags import LateFlags
from adavit.runtime.optimizers import PlainAdamW
from adavit.runtime.precision import forward_precision
from adavit.runtime.randomness import generator_for, seed_for
from adavit.runtime.signals import Stopped, StopRequest
from adavit.training.start.resident import Residence
from adavit.training.start.workload import Workload

LOOKED_AT_STEPS = 50
"""The host asks after so many whether they were finite, and before anything is measured or kept."""

KEPT = 2
"""Checkpoints: the newest, and the one before it."""


class PretrainingLoop:
    """The loop: measure and save, done?, one step.

    Args:
        workload: Data and settings of the discriminator.
        section: Resolved.
        directory: Where the files go.
        console: Told how it goes.
        settings: All that it was made of, for the files: sections of keys.
    """

    def __init__(
        self,
        workload: Workload,
        section: PretrainingConfig,
        directory: PretrainingDirectory,
        console: Console,
        *,
        settings: Mapping[str, Any],
    ) -> None:
        self.workload = workload
        self.section = section
        self.directory = directory
        self.console = console
        self.settings = settings
        self.encoder, self.head = _networks(workload)
        self.optimizer = adamw(self.encoder, self.head, section)
        self.autocast = torch.bfloat16 if section.precision == "bf16" else None
        self.batches = BatchSampler(
            workload.image_set,
            workload.split.train,
            seed=workload.config.run.seed,
            purpose="pre-training data",
            device=workload.device,
            labelled=False,
            mirror=workload.config.data.mirror,
            resident=Residence.of(workload).on_device,
        )
        self.measurement = Measurement(
            workload,
            patch=self.encoder.patch,
            batch=section.batch,
            autocast=self.autocast,
        )
        steps = math.ceil(round(1000 * section.total_kimg) / section.batch)
        self.total = section.batch * max(1, steps)
        self.progress = PretrainingProgress()
        self.finite = LateFlags()
        self.images_per_s: float | None = None

    def stateful_parts(self) -> dict[str, Stateful]:
        """All that decides the rest of the pre-training, by its name in the checkpoint."""
        return {
            "encoder": self.encoder,
            "head": self.head,
            "optimizer": self.optimizer,
            "progress": self.progress,
        }

    def save_checkpoint(self) -> None:
        """Writes what `resume` needs; the one before it is kept, and taken where this one is damaged."""
        save_newest(
            self.directory.checkpoint,
            {
                "config": self.settings,
                "fingerprint": self.workload.image_set.fingerprint,
                **state_of(self.stateful_parts()),
            },
            keep=KEPT,
        )

    def resume(self, loaded: LoadedCheckpoint) -> None:
        """Goes on from a checkpoint, with the log cut back to it.

        Args:
            loaded: The checkpoint.

        Raises:
            UserError: If it is of other images or other networks.
        """
        state, present = loaded.state, self.workload.image_set.fingerprint
        trained_on = str(state.get("fingerprint"))
        if trained_on != present:
            raise UserError(
                f"the images of {self.workload.config.data.source!r} are not those that"
                f" {str(self.directory.path)!r} was pre-trained on (fingerprint {present[:12]},"
                f" expected {trained_on[:12]}). Restore them, or begin anew with another --out."
            )
        try:
            restore(self.stateful_parts(), state)
        except DoesNotFit as error:
            raise UserError(
                f"checkpoint {str(loaded.path)!r} does not fit its own settings ({error}), expected what"
                " adavit pretrain has written. Begin anew with another --out."
            ) from None
        self.directory.forget_after(self.progress.measured_at)
        make_newest(self.directory.checkpoint, loaded.path)

    def run(self) -> None:
        """Trains until the end or a signal."""
        started, before = time.perf_counter(), self.progress.images
        every = 1000 * self.section.measure_every_kimg
        with StopRequest() as stop:
            while True:
                progress, ended = self.progress, self.progress.images >= self.total
                if progress.is_due(every, ended=ended):
                    if progress.images > before:
                        seconds = time.perf_counter() - started
                        self.images_per_s = (progress.images - before) / seconds
                    self._measure()
                    self._save()
                    started, before = time.perf_counter(), progress.images
                if stop.signal_number is not None:
                    if progress.images > before:  # else it was saved just now, or taken up
                        self._save()
                    raise Stopped(
                        stop.signal_number,
                        go_on=self.directory.resume_command,
                        left=f"the trunk at {progress.images / 1000:g} kimg is in {self.directory.trunk}",
                    )
                if ended:
                    command = train_command(self.workload, self.directory.trunk)
                    self.console.result(
                        f"Finished at {progress.images / 1000:g} kimg;"
                        f" {figure_line(progress.figures)}.\nTrain with it: {command}"
                    )
                    return
                self._train_on_one_batch()

    def _train_on_one_batch(self) -> None:
        seed, device = self.workload.config.run.seed, self.workload.device
        images, _ = self.batches.batch(self.progress.images, self.section.batch)
        stream = generator_for(seed, "corruption", self.progress.images, device)
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
        finite = torch.isfinite(loss.detach() + norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(
                self.progress.images + self.section.batch,
                peak=self.section.learning_rate,
                warmup=1000 * self.section.warmup_kimg,
                total=self.total,
            )
        self.optimizer.step_if(finite)
        self.progress.stepped(self.section.batch, loss.detach())
        self.finite.append(finite)
        if len(self.finite) == LOOKED_AT_STEPS:
            self._check_finite()
        self.console.status(self._status())

    def _check_finite(self) -> None:
        """Ends it where one of the last steps was not, which the host waits for here."""
        steps = self.finite.read()
        if not all(steps):
            images = self.progress.images - (len(steps) - steps.index(False)) * self.section.batch
            raise RunError(
                f"pre-training diverged: a number is not finite at {images / 1000:.1f} kimg."
                f" {self.directory.trunk} of the last measurement is good; begin anew with a lower"
                " pretraining.learning_rate."
            )

    def _measure(self) -> None:
        self._check_finite()
        self.progress.measured(self.measurement(self.encoder, self.head))
        self.directory.append(self.progress.figures)
        self.console.report(self._status())

    def _save(self) -> None:
        self._check_finite()
        save_trunk(
            self.directory.trunk,
            self.encoder,
            arguments=discriminator_arguments(self.workload),
            config=self.settings,
            data_fingerprint=self.workload.image_set.fingerprint,
            images=self.progress.images,
            figures=self.progress.figures,
        )
        self.save_checkpoint()

    def _status(self) -> Status:
        return Status(
            images=self.progress.images,
            total_images=self.total,
            images_per_s=self.images_per_s,
            p=None,
            metric=figure_line(self.progress.figures),
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
        "resolution": workload.config.data.resolution.plain,
        "image_channels": workload.image_set.channels,
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
            image_channels=workload.image_set.channels,
            num_classes=0,
        ).get_submodule("encoder")
        assert isinstance(encoder, VisionEncoder)
        head = head_for(encoder)
    return encoder.to(workload.device), head.to(workload.device)


def adamw(encoder: VisionEncoder, head: MaskedPatchHead, section: PretrainingConfig) -> PlainAdamW:
    """The optimiser of both networks, without decay for gains and biases."""
    weights = [*encoder.parameters(), *head.parameters()]
    others = {weight for part in encoder.modules() for weight in _gains_and_biases(part)}
    decayed = {w for w in weights if (w.ndim > 1 or w is head.mask_token) and w not in others}
    groups = [
        {"params": [w for w in weights if w in decayed], "weight_decay": section.weight_decay},
        {"params": [w for w in weights if w not in decayed], "weight_decay": 0.0},
    ]
    betas = (section.adam_beta1, section.adam_beta2)
    return PlainAdamW(groups, lr=section.learning_rate, betas=betas, fused=True)


def _gains_and_biases(part: nn.Module) -> tuple[nn.Parameter, ...]:
    """Those of a part of an encoder that are of more than one axis: one for each head or each pair of patches."""
    match part:
        case LocalityScore():
            return (part.temperature,)
        case RelativeBias():
            return (part.table,)
        case _:
            return ()
