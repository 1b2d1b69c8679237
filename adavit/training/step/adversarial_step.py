"""One training step: the gradients of both networks at the same point, applied together or not at all.

Simultaneous gradient descent, which with R1 converges locally like the alternating form (Mescheder et
al. 2018, arXiv:1801.04406, section 4). It lets one generator pass and one discriminator pass on the
generated images serve both losses, and a step whose numbers are not finite leaves nothing half done. Which step
that is, the device decides: the host never waits for it in a step.
What else the losses consist of is a list of regularizers (`adavit.training.objectives`).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from adavit.augment import Pipe
from adavit.models import Generator
from adavit.models.san import SanLayer
from adavit.runs.checkpoint import Stateful
from adavit.runtime.optimizers import PlainAdam
from adavit.training.objectives.discriminator_objective import objective_of
from adavit.training.objectives.feature_critic import FeatureObjective
from adavit.training.objectives.losses import AdversarialLoss, TopK
from adavit.training.objectives.regularizer import Regularizer
from adavit.training.objectives.schedules import Schedule, as_schedule
from adavit.training.passes.augmented_discriminator import AugmentedDiscriminator, per_image
from adavit.training.passes.generated import StyleMixing
from adavit.training.passes.pseudo_augmentation import PseudoAugmentation
from adavit.training.passes.step_result import StepResult
from adavit.training.passes.streams import StepStreams
from adavit.training.step.average import GeneratorAverage
from adavit.training.step.microbatch_sums import MicrobatchSums
from adavit.training.step.out_of_memory import StepOutOfMemory, with_room
from adavit.training.step.reduction import OF_ONE_PROCESS, Reduction
from adavit.training.step.slice_pass import SliceComputation, SlicePass, trainable
from adavit.training.step.slices import Slices
from adavit.training.step.terms import StepTerms


class AdversarialStep:
    """Trains a generator against a discriminator on one batch at a time.

    Args:
        generator: Trained network.
        discriminator: Trained network; maps images and labels to logits [B] or [B, P]. Parameters that require
            no gradient stay as they are.
        average: Follows the generator.
        pipe: Augmentation of everything the discriminator sees.
        generator_lr: Adam's step of the generator, a number or a schedule.
        discriminator_lr: Adam's step of the discriminator.
        betas: Adam's decay rates; the second may be a schedule.
        warmup_images: Images over which both rates rise linearly from 0.
        microbatch: Images at a time, or None for the whole batch.
        autocast: Type of the networks' arithmetic, or None for float32.
        computation: From what computes a slice as it is written to what does so in steps.
        loss: The adversarial loss of both networks.
        regularizers: Weighted terms that are added to the loss of either network.
        mixing: Mixes styles, or None.
        top_k: Chooses the images that the generator learns from, or None for all.
        pseudo: Shows generated images as real ones, or None.
        features: What a critic on frozen features adds to both losses, or None; its heads are trained with
            the discriminator.
        reduction: How gradients are summed over microbatches, and over the processes that share them.
    """

    def __init__(
        self,
        *,
        generator: Generator,
        discriminator: nn.Module,
        average: GeneratorAverage,
        pipe: Pipe,
        generator_lr: float | Schedule,
        discriminator_lr: float | Schedule,
        betas: tuple[float, float | Schedule],
        warmup_images: float,
        microbatch: int | None,
        autocast: torch.dtype | None,
        computation: Callable[[SlicePass], SliceComputation],
        loss: AdversarialLoss,
        regularizers: Sequence[Regularizer] = (),
        mixing: StyleMixing | None = None,
        top_k: TopK | None = None,
        pseudo: PseudoAugmentation | None = None,
        features: FeatureObjective | None = None,
        reduction: Reduction = OF_ONE_PROCESS,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.average = average
        self.pipe = pipe
        self.p = float(pipe.p)
        self.augmented = AugmentedDiscriminator(discriminator, pipe, autocast)
        self.rates = (as_schedule(generator_lr), as_schedule(discriminator_lr))
        self.beta1, self.beta2 = betas[0], as_schedule(betas[1])
        self.generator_optimizer = self._adam(generator, self.rates[0])
        judges = [discriminator] if features is None else [discriminator, features.critic]
        self.judges = nn.ModuleList(judges)
        self.discriminator_optimizer = self._adam(self.judges, self.rates[1])
        self.trained = [*trainable(generator), *trainable(self.judges)]
        self.sliced = [part for part in self.judges.modules() if isinstance(part, SanLayer)]
        self.warmup_images = warmup_images
        self.regularizers = list(regularizers)
        self.microbatch = microbatch
        self.top_k = top_k
        self.pseudo = pseudo
        self.features = features
        self.reduction = reduction
        for regularizer in self.regularizers:
            regularizer.to(pipe.p.device)
        written = SlicePass(
            generator=generator,
            judges=self.judges,
            augmented=self.augmented,
            loss=loss,
            objective=objective_of(discriminator),
            mixing=mixing,
            pseudo=pseudo,
            features=features,
        )
        self.compute = computation(written)

    def __call__(
        self, real: Tensor, labels: Tensor | None, *, images: int, streams: StepStreams
    ) -> StepResult:
        """Trains on one batch.

        Args:
            real: Images [B, C, H, W] in [-1, 1]; of several processes each gives those of `slices`.
            labels: Class of each image [B], given to the generated images too, or None.
            images: Real images seen before this step.
            streams: Random generators of this step, those of its first slice; others follow from them.

        Returns:
            The measurements of the whole batch; weights, moments and regularizers are untouched if `finite` is False.

        Raises:
            StepOutOfMemory: If memory runs out before anything of it is applied.
        """
        slices = self.slices(len(real) * self.reduction.world.size)
        batch = slices.size * slices.count
        self._forget_gradients()
        try:
            sums = with_room(lambda: self._computed(slices, real, labels, images, streams))
        except StepOutOfMemory:
            self._forget_gradients()
            raise
        result = StepResult(
            self._is_finite(sums.losses),
            sums.train_logits,
            sums.generated_logits,
            sums.losses,
            sums.is_training,
            sums.observed,
        )
        self._apply(sums.styles, result.finite, images=images + batch, batch=batch)
        for regularizer in self.regularizers:
            regularizer.update(result)
        return result

    def _forget_gradients(self) -> None:
        self.generator_optimizer.zero_grad()
        self.discriminator_optimizer.zero_grad()

    def _computed(
        self,
        slices: Slices,
        real: Tensor,
        labels: Tensor | None,
        images: int,
        streams: StepStreams,
    ) -> MicrobatchSums:
        """The sums of the whole batch; its gradients are in `grad` of the parameters, and nothing else has changed."""
        gradients = self.reduction.begin(slices, self.trained)
        terms = self.terms(images, slices)
        parts = []
        for index, number in enumerate(slices.own):
            part = slice(index * slices.size, (index + 1) * slices.size)
            part_labels = None if labels is None else labels[part]
            own = streams if number == 0 else streams.of_slice(number)
            parts.append(self.compute(real[part], part_labels, own, terms))
            gradients.add()
        gradients.finish()
        return MicrobatchSums.total(parts, self.reduction.world)

    def slices(self, batch: int) -> Slices:
        """The microbatches of a batch of all processes, and those of this one.

        Raises:
            UserError: If the processes cannot share them evenly.
        """
        return Slices.of(batch, self.microbatch, self.reduction.world)

    def set_p(self, p: float) -> None:
        """Sets the augmentation's p, on the device and for what the host decides by it (`FeatureObjective`)."""
        self.pipe.p.fill_(p)
        self.p = torch.tensor(p).item()  # as the device rounds it

    @property
    def reports(self) -> list[str]:
        """Names of the means that it returns beside the two losses."""
        named = [name for regularizer in self.regularizers for name in regularizer.reports]
        return named if self.features is None else [*named, *self.features.reports]

    @property
    def intervals(self) -> list[int]:
        """Steps from one that a term takes part in to the next: of the regularizers, and of the feature critic."""
        each = [regularizer.interval for regularizer in self.regularizers]
        return each if self.features is None else [*each, self.features.interval]

    def due(self, step: int) -> list[Regularizer]:
        """The regularizers that take part in the step of this number, from 0."""
        return [regularizer for regularizer in self.regularizers if regularizer.is_due(step)]

    def terms(self, images: int, slices: Slices) -> StepTerms:
        """What is decided of the step after so many real images before its slices are computed."""
        batch = slices.size * slices.count
        due, features = self.due(images // batch), self.features
        return StepTerms(
            share=1 / slices.count,
            due=tuple(due),
            factors=tuple(regularizer.factor(images) for regularizer in due),
            kept=None if self.top_k is None else self.top_k.count(slices.size, images),
            pseudo_p=None if self.pseudo is None else self.pseudo.in_step(),
            critic=None if features is None else features.in_step(images, batch, self.p),
        )

    def logits(self, images: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """D(T(x)) [B], float32: every image reaches the discriminator through the pipe."""
        return per_image(self.augmented.logits(self.augmented.view(images, generator), labels))

    def forward_precision(self, device: torch.device) -> torch.autocast:
        """The context in which the networks run."""
        return self.augmented.precision(device)

    def stateful_parts(self) -> dict[str, Stateful]:
        """All that changes while training, by its name in a checkpoint."""
        remembering = [part for part in self.regularizers if part.state_dict()]
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average.module,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            **({} if self.features is None else {"features": self.features.critic}),
            **{part.name: part for part in remembering},
            **({} if self.pseudo is None else {"pseudo_augmentation": self.pseudo}),
        }

    def _is_finite(self, losses: dict[str, Tensor]) -> Tensor:
        gradients = [each.grad for each in self.trained if each.grad is not None]
        norms = torch._foreach_norm(gradients)
        return torch.isfinite(torch.stack([*norms, *losses.values()]).sum())

    def _apply(self, styles: Tensor, finite: Tensor, *, images: int, batch: int) -> None:
        warmth = min(1.0, images / self.warmup_images) if self.warmup_images else 1.0
        optimizers = (self.generator_optimizer, self.discriminator_optimizer)
        for optimizer, rate in zip(optimizers, self.rates, strict=True):
            for group in optimizer.param_groups:
                # Numbers, which kernels take as arguments: for betas that are tensors fused Adam waits, and a rate
                # that is one would have to be filled by a launch of its own.
                group["lr"] = rate(images - batch) * warmth
                group["betas"] = (self.beta1, self.beta2(images - batch))
            optimizer.step_if(finite)
        for layer in self.sliced:
            layer.normalise(finite)
        self.generator.track_average(styles, finite)
        self.average.update(finite, images=images, batch=batch)

    def _adam(self, network: nn.Module, rate: Schedule) -> PlainAdam:
        # Fused: one kernel for all tensors instead of a dozen for each.
        betas = (self.beta1, self.beta2(0))
        return PlainAdam(trainable(network), lr=rate(0), betas=betas, eps=1e-8, fused=True)
