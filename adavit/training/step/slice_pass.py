"""The passes of a slice: images drawn and judged, both losses with their terms, and the gradients of both networks."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from adavit.models import Generator
from adavit.models.names import Side
from adavit.models.prepared_weights import weights_prepared
from adavit.training.objectives.discriminator_objective import DiscriminatorObjective
from adavit.training.objectives.feature_critic import FeatureObjective
from adavit.training.objectives.losses import AdversarialLoss, largest_logits
from adavit.training.objectives.regularizer import DiscriminatedImages, Microbatch
from adavit.training.passes.augmented_discriminator import AugmentedDiscriminator, per_image
from adavit.training.passes.generated import StyleMixing, draw
from adavit.training.passes.pseudo_augmentation import PseudoAugmentation
from adavit.training.passes.streams import StepStreams
from adavit.training.step.microbatch_sums import MicrobatchSums
from adavit.training.step.terms import StepTerms


class SliceComputation(Protocol):
    """A way to compute a slice."""

    def __call__(
        self, real: Tensor, labels: Tensor | None, streams: StepStreams, terms: StepTerms
    ) -> MicrobatchSums:
        """Adds the gradients of one slice to `grad` of the parameters that are trained.

        Args:
            real: Its images [b, C, H, W].
            labels: Their classes [b], or None.
            streams: Its random generators.
            terms: Of the step.
        """
        ...


@dataclass(frozen=True)
class SlicePass:
    """Computes a slice as it is written here, operation by operation.

    Attributes:
        generator: As in `AdversarialStep`.
        judges: What is trained against it.
        augmented: The discriminator behind the augmentation.
        loss: As in `AdversarialStep`.
        objective: What the discriminator minimises.
        mixing: As in `AdversarialStep`.
        pseudo: Likewise.
        features: Likewise.
    """

    generator: Generator
    judges: nn.Module
    augmented: AugmentedDiscriminator
    loss: AdversarialLoss
    objective: DiscriminatorObjective
    mixing: StyleMixing | None
    pseudo: PseudoAugmentation | None
    features: FeatureObjective | None

    def __call__(
        self, real: Tensor, labels: Tensor | None, streams: StepStreams, terms: StepTerms
    ) -> MicrobatchSums:
        """See `SliceComputation`."""
        twice = {regularizer.differentiates for regularizer in terms.due}
        latents = torch.randn(
            len(real), self.generator.latent_dim, generator=streams.latents, device=real.device
        )
        is_real = None
        if self.pseudo is not None:
            # A context of its own: weights that it casts without gradients are kept to its end.
            with self.augmented.precision(real.device):
                real, is_real = self.pseudo(real, labels, self.generator, streams, terms.pseudo_p)
        real = real.detach().requires_grad_("real" in twice)
        with self.augmented.precision(real.device):
            (weights,) = weights_prepared(self.generator, real.device)
            with weights:
                drawn = draw(self.generator, latents, labels, mixing=self.mixing, streams=streams)
            images: dict[Side, Tensor] = {"generated": drawn.images, "real": real}
            views = self.augmented.views(images, streams.augmentation)
            discriminated = []
            passes = weights_prepared(self.augmented.network, real.device, passes=len(views))
            for (side, view), weights in zip(views.items(), passes, strict=True):
                with weights:
                    judged = self.augmented.judge(view, labels, twice_differentiable=side in twice)
                discriminated.append(DiscriminatedImages(images[side], view, *judged))
        generated, shown = discriminated
        g_losses = per_image(self.loss.generator(generated.logits, shown.logits))
        d_losses = per_image(self.objective(self.loss, shown, generated, labels))
        if terms.kept is not None:
            g_losses = g_losses[largest_logits(generated.verdicts, terms.kept)]
        g_loss, d_loss = g_losses.mean(), d_losses.mean()
        losses = {"loss_generator": g_loss.detach(), "loss_discriminator": d_loss.detach()}
        microbatch = Microbatch(
            generator=self.generator,
            discriminator=self.augmented,
            labels=labels,
            latents=latents,
            real=shown,
            generated=generated,
            redraw=drawn.redraw,
            streams=streams,
            is_real=is_real,
        )

        if self.features is not None and terms.critic is not None:
            seen = self.features.losses(microbatch, terms.critic)
            g_loss, d_loss = g_loss + seen.generator, d_loss + seen.discriminator
            losses |= seen.means

        def add_regularizers(trains: str, loss: Tensor) -> Tensor:
            for regularizer, factor in zip(terms.due, terms.factors, strict=True):
                if regularizer.trains == trains:
                    values = regularizer(microbatch)
                    losses.update({name: value.detach() for name, value in values.items()})
                    loss = loss + factor * values[regularizer.name]
            return terms.share * loss

        # The same graph serves both: each pass computes only the gradients of its own parameters.
        add_regularizers("generator", g_loss).backward(
            retain_graph=True, inputs=trainable(self.generator)
        )
        add_regularizers("discriminator", d_loss).backward(inputs=trainable(self.judges))
        scaled = {name: terms.share * value for name, value in losses.items()}
        return MicrobatchSums(
            shown.verdicts.detach(),
            generated.verdicts.detach(),
            scaled,
            drawn.styles.detach(),
            is_real,
            {part.name: part.observe(microbatch) for part in terms.due},
        )


def as_written(written: SlicePass) -> SliceComputation:
    """Computes slices as they are written."""
    return written


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that require a gradient."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]
