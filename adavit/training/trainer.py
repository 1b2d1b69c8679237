"""The training loop: report, sample, evaluate, checkpoint, done?, one step. No mathematics in it."""

import time
from pathlib import Path
from typing import Any

import torch

from adavit.data import BatchSampler
from adavit.errors import RunError, UserError
from adavit.generator_file import save_generator
from adavit.metrics import Interrupted
from adavit.models.build import build_discriminator, build_generator
from adavit.randomness import generator_for, seed_for
from adavit.scoring import score_generator
from adavit.training.average import GeneratorAverage
from adavit.training.checkpoint import load_checkpoint, save_checkpoint
from adavit.training.console import Console, Status
from adavit.training.curves import draw_curves
from adavit.training.probability import build_pipe, build_probability
from adavit.training.run_directory import RunDirectory
from adavit.training.samples import SampleSheet
from adavit.training.signals import Stopped, StopRequest
from adavit.training.step import AdversarialStep, StepResult, StepStreams
from adavit.training.tensorboard import EventLog
from adavit.training.window import StatsWindow
from adavit.training.workload import Workload, total_images

SKIPPED_STEPS_ALLOWED = 50
"""So many steps in a row without finite numbers, and the run has diverged."""


class Trainer:
    """Trains one run to its end, from its start or from its checkpoint.

    All that a checkpoint must hold is in `state_dict`; all that is random is a function of the seed,
    the purpose and the images seen. So N images, a resume and N more give the bits of 2N in one go,
    and no cadence of reports, samples, evaluations or checkpoints changes the weights.

    Args:
        workload: Data, settings and metrics.
        directory: Where the run leaves its files.
        console: Told how it goes.
    """

    def __init__(self, workload: Workload, directory: RunDirectory, console: Console) -> None:
        self.workload = workload
        self.config = workload.config
        self.directory = directory
        self.console = console
        self.step = build_step(workload)
        self.probability = build_probability(self.config.augment)
        self.window = StatsWindow()
        seed, device, data = self.config.run.seed, workload.device, workload.image_set
        self.train_batches = BatchSampler(
            data,
            workload.split.train,
            seed=seed,
            purpose="data",
            device=device,
            mirror=self.config.data.mirror,
        )
        self.heldout_batches = None
        if len(workload.split.heldout):
            self.heldout_batches = BatchSampler(
                data, workload.split.heldout, seed=seed, purpose="held-out", device=device
            )
        self.samples = SampleSheet(workload, directory)
        self.events = EventLog(directory.tensorboard)
        self.images = 0
        self.seconds = 0.0
        self.skipped = 0
        self.skipped_in_a_row = 0
        self.best: dict[str, Any] | None = None
        self.latest_metric: dict[str, Any] | None = None
        # Images at which each periodic duty was last done.
        self.done_at = {"stats": 0, "samples": -1, "metrics": -1, "checkpoint": -1}

    def run(self) -> None:
        """Trains until the end, a lack of improvement, or a signal.

        Raises:
            Stopped: After a signal, with a checkpoint written.
            RunError: If training diverges; the last checkpoint is good.
        """
        run, metrics = self.config.run, self.config.metrics
        with StopRequest() as stop:
            while True:
                if self._is_due("stats", run.status_every_kimg):
                    self._report()
                if self._is_due("samples", run.samples_every_kimg):
                    self._sample(run.samples_every_kimg)
                if self.workload.evaluator and self._is_due("metrics", metrics.every_kimg):
                    self._evaluate(stop)
                ended = self._has_ended()
                if ended or stop() or self._is_due("checkpoint", run.checkpoint_every_kimg):
                    self._save()
                if stop.signal_number is not None:
                    raise Stopped(stop.signal_number)
                if ended:
                    self._finish(ended)
                    return
                self._train_on_one_batch()

    def resume(self, path: Path) -> None:
        """Continues from a checkpoint, with the logs cut back to it.

        Raises:
            UserError: If the checkpoint is damaged or of other networks or other data.
        """
        state = load_checkpoint(path)
        try:
            if state["fingerprint"] != self.workload.image_set.fingerprint:
                raise UserError(
                    f"the images of {self.config.data.source!r} are not those the run was trained"
                    f" on (fingerprint {self.workload.image_set.fingerprint[:12]}, expected"
                    f" {state['fingerprint'][:12]}). Restore them, or start a new run."
                )
            self.load_state_dict(state)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"checkpoint {str(path)!r} does not fit this configuration"
                f" ({str(error).splitlines()[0]}), expected the networks of config.yaml beside it."
                " Restore that file, or start a new run."
            ) from None
        self.directory.cut_back(self.directory.stats, self.images)
        self.directory.cut_back(self.directory.metrics, self.images)
        self.events.purge_after(self.images)

    def state_dict(self) -> dict[str, Any]:
        """All that decides the rest of the run."""
        step = self.step
        return {
            "config": self.config.as_dict(),
            "fingerprint": self.workload.image_set.fingerprint,
            "generator": step.generator.state_dict(),
            "discriminator": step.discriminator.state_dict(),
            "average": step.average.module.state_dict(),
            "generator_optimizer": step.generator_optimizer.state_dict(),
            "discriminator_optimizer": step.discriminator_optimizer.state_dict(),
            "probability": self.probability.state_dict(),
            "window": self.window.state_dict(),
            "images": self.images,
            "seconds": self.seconds,
            "skipped": self.skipped,
            "skipped_in_a_row": self.skipped_in_a_row,
            "best": self.best,
            "latest_metric": self.latest_metric,
            "done_at": dict(self.done_at),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over a `state_dict`."""
        step = self.step
        step.generator.load_state_dict(state["generator"])
        step.discriminator.load_state_dict(state["discriminator"])
        step.average.module.load_state_dict(state["average"])
        step.generator_optimizer.load_state_dict(state["generator_optimizer"])
        step.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        self.probability.load_state_dict(state["probability"])
        self.window.load_state_dict(state["window"], self.workload.device)
        self.images, self.seconds = state["images"], state["seconds"]
        self.skipped, self.skipped_in_a_row = state["skipped"], state["skipped_in_a_row"]
        self.best, self.latest_metric = state["best"], state["latest_metric"]
        self.done_at = dict(state["done_at"])

    def _train_on_one_batch(self) -> None:
        started = time.perf_counter()
        batch, seed = self.config.training.batch, self.config.run.seed
        device = self.workload.device
        step = self.step
        step.pipe.p.fill_(self.probability.p)
        real, labels = self.train_batches.batch(self.images, batch)
        streams = StepStreams(
            latents=generator_for(seed, "latents", self.images, device),
            augmentation=generator_for(seed, "augmentation", self.images, device),
        )
        if not self.workload.num_classes:
            labels = None
        result = step(real, labels, images=self.images, streams=streams)
        heldout = self._heldout_logits()
        if result.finite:
            self.probability.update(
                train=result.train_logits,
                generated=result.generated_logits,
                heldout=heldout,
                images=batch,
            )
        self._count(result)
        self.images += batch
        seconds = time.perf_counter() - started
        self.seconds += seconds
        self.window.observe(result, heldout=heldout, images=batch, seconds=seconds)
        self.console.status(self._status())

    @torch.no_grad()
    def _heldout_logits(self) -> torch.Tensor | None:
        """D(T(x)) at held-out images, once in each interval of the probability: it costs a pass."""
        batch, seed = self.config.training.batch, self.config.run.seed
        interval = self.probability.interval_batches
        if self.heldout_batches is None or (self.images // batch) % interval != interval - 1:
            return None
        size = min(batch, len(self.workload.split.heldout))
        size = min(size, self.config.training.microbatch or size)
        # Counted in batches drawn, so that an epoch goes through all held-out images.
        drawn = self.images // batch // interval
        images, labels = self.heldout_batches.batch(drawn * size, size)
        stream = generator_for(seed, "held-out augmentation", self.images, self.workload.device)
        with self.step.forward_precision(self.workload.device):
            return self.step.logits(images, labels if self.workload.num_classes else None, stream)

    def _count(self, result: StepResult) -> None:
        if result.finite:
            self.skipped_in_a_row = 0
            return
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= SKIPPED_STEPS_ALLOWED:
            raise RunError(
                f"training diverged: {SKIPPED_STEPS_ALLOWED} steps in a row had losses or gradients"
                f" that are not finite, at {self.images / 1000:.1f} kimg. The checkpoint of"
                f" {self.done_at['checkpoint'] / 1000:.1f} kimg is good; start a new run with a"
                " larger training.r1_gamma or smaller learning rates."
            )

    def _is_due(self, duty: str, every_kimg: float) -> bool:
        last = self.done_at[duty]
        if last < 0:
            return True
        every = 1000 * every_kimg
        ended = self.images >= total_images(self.config) and last != self.images
        return ended or self.images // every > last // every

    def _has_ended(self) -> str | None:
        """Why the run is over, or None."""
        if self.images >= total_images(self.config):
            return f"Finished at {self.images / 1000:g} kimg"
        patience = self.config.metrics.patience_kimg
        if patience is not None and self.best is not None:
            without = (self.images - self.best["images"]) / 1000
            if without >= patience and self.done_at["metrics"] == self.images:
                return f"Stopped early: no better {self.best['name']} for {without:g} kimg"
        return None

    def _report(self) -> None:
        record = {
            "images": self.images,
            "p": self.probability.p,
            **self.window.record(),
            "skipped_steps": self.skipped,
            "seconds": round(self.seconds, 3),
        }
        self.window.reset()
        self.directory.append(self.directory.stats, record)
        self.events.write(record, self.images)
        self.done_at["stats"] = self.images
        self.last_report = record
        self.console.report(self._status())
        for warning in self.probability.warnings():
            self.console.note(f"Warning: {warning}")

    def _sample(self, every_kimg: float) -> None:
        self.samples.draw(self.step.average.module, self.images, every_kimg)
        self.done_at["samples"] = self.images

    def _evaluate(self, stop: StopRequest) -> None:
        evaluator, config = self.workload.evaluator, self.config
        assert evaluator is not None
        fakes, labels = config.metrics.fakes, None
        if self.workload.num_classes and self.workload.image_set.labels is not None:
            labels = self.workload.image_set.labels[self.workload.split.train]
        started = time.perf_counter()
        try:
            record = score_generator(
                evaluator,
                self.step.average.module,
                fakes=fakes,
                seed=config.run.seed,
                labels=labels,
                progress=lambda done: self.console.activity("evaluating", done, fakes),
                should_stop=stop,
            )
        except Interrupted:
            return  # not done, so a resumed run evaluates here first
        name = evaluator.names[0]
        record = {"images": self.images, **record, "seconds": time.perf_counter() - started}
        self.latest_metric = {"name": name, "value": record[name], "images": self.images}
        if self.best is None or record[name] < self.best["value"]:
            self.best = self.latest_metric
            self._save_generator(self.directory.best_generator, record)
        self.directory.append(self.directory.metrics, record)
        self.events.write({key: record[key] for key in evaluator.names}, self.images)
        self.done_at["metrics"] = self.images
        # Best generator, record and checkpoint belong together: a checkpoint follows at once.
        self.done_at["checkpoint"] = -1
        figures = "  ".join(f"{key} {record[key]:.4g}" for key in evaluator.names)
        floor = record.get(f"{name}_floor")
        against = "" if floor is None else f"  (held-out real images: {name} {floor:.4g})"
        self.console.note(f"{self.images / 1000:6.1f} kimg  {figures}{against}")

    def _save_generator(self, path: Path, record: dict[str, Any] | None) -> None:
        save_generator(
            path,
            self.step.average.module,
            arguments=self.workload.architecture(),
            config=self.config.as_dict(),
            data_fingerprint=self.workload.image_set.fingerprint,
            images=self.images,
            metric=record,
            classes=self.workload.image_set.classes if self.workload.num_classes else (),
        )

    def _save(self) -> None:
        self.done_at["checkpoint"] = self.images
        current = self.latest_metric if self.done_at["metrics"] == self.images else None
        self._save_generator(self.directory.last_generator, current)
        save_checkpoint(self.directory.checkpoint, self.state_dict())
        draw_curves(self.directory)

    def _finish(self, reason: str) -> None:
        best = self.best
        figure = (
            ""
            if best is None
            else (f"; best {best['name']} {best['value']:.4g} at {best['images'] / 1000:g} kimg")
        )
        self.console.note(f"{reason}{figure}. Everything is in {self.directory.path}.")

    def _status(self) -> Status:
        report = getattr(self, "last_report", {})
        metric = self.latest_metric
        return Status(
            images=self.images,
            total_images=total_images(self.config),
            images_per_s=report.get("images_per_s"),
            p=self.probability.p,
            r_t=report.get("r_t"),
            metric=None if metric is None else (metric["name"], metric["value"]),
        )


def build_step(workload: Workload) -> AdversarialStep:
    """Networks, optimisers and augmentation of a run, drawn from its seed."""
    config = workload.config
    shape = {
        "resolution": config.data.resolution,
        "image_channels": workload.image_set.images.shape[1],
        "num_classes": workload.num_classes,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(config.run.seed, "weights", 0))
        generator = build_generator(config.generator, **shape)
        discriminator = build_discriminator(config.discriminator, **shape)
    training = config.training
    # On a CPU convolutions run about twice as fast in this layout.
    placed = {"device": workload.device, "memory_format": torch.channels_last}
    generator, discriminator = generator.to(**placed), discriminator.to(**placed)
    return AdversarialStep(
        generator=generator,
        discriminator=discriminator,
        average=GeneratorAverage(
            generator, half_life_kimg=training.ema_half_life_kimg, ramp=training.ema_ramp
        ),
        pipe=build_pipe(config.augment).to(workload.device),
        generator_lr=training.generator_lr,
        discriminator_lr=training.discriminator_lr,
        betas=(training.adam_beta1, training.adam_beta2),
        warmup_images=1000 * training.warmup_kimg,
        r1_gamma=training.r1_gamma,
        r1_interval=training.r1_interval,
        microbatch=training.microbatch,
        autocast=torch.bfloat16 if training.precision == "bf16" else None,
    )
