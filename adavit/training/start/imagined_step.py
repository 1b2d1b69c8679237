"""The step of a run gone through on tensors without content: what is alive at the same time, and what is calculated.

It is the step itself, augmentation, second derivatives and optimisers included, in the ways of a CPU. Nothing is
read, computed or drawn, so it takes seconds for networks of any size.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import flop_registry

from adavit.build.augmentation import build_pipe
from adavit.build.critic import build_critic_on
from adavit.build.networks import build_networks
from adavit.config.discriminator import ViTConfig
from adavit.config.microbatches import smaller_slices
from adavit.config.run import ResolvedConfig
from adavit.features.choice import find_network
from adavit.features.critic import FeatureCritic
from adavit.features.teachers import unread_teacher
from adavit.models import Generator
from adavit.training.passes.streams import StepStreams
from adavit.training.start.assembly import assemble_step, average_of
from adavit.training.start.costliest_step import make_costliest
from adavit.training.start.freeze import freeze_lower_layers
from adavit.training.start.live_bytes import LiveBytes
from adavit.training.start.without_content import emptied, tensors_of, without_content
from adavit.training.step.reduction import OF_ONE_PROCESS, Fast, Reduction
from adavit.training.step.slice_pass import as_written

CPU = torch.device("cpu")

IMAGES = 32
"""Images of a slice that are gone through, at about the most; what is alive grows in proportion to them."""


class Work(LiveBytes):
    """Counts operations too.

    Attributes:
        operations: Products and sums of convolutions and matrix products, by torch's formulas.
    """

    def __init__(self, there: list[Tensor]) -> None:
        super().__init__(there)
        self.operations = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Runs an operation, and counts it and what it has made."""
        made = super().__torch_dispatch__(func, types, args, kwargs)
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.operations += formula(*args, **(kwargs or {}), out_val=made)
        return made


@dataclass(frozen=True)
class StepNeeds:
    """What a step takes in which some terms are due.

    Attributes:
        peak: Bytes alive at the same time, at the most: networks, gradients, moments and the images of the batch too.
        held: Bytes alive between steps.
        operations: Products and sums for each image.
    """

    peak: int
    held: int
    operations: float


class ImaginedStep:
    """The networks of a run without content, and its step.

    Args:
        config: Of the run.
        image_channels: Of its images.
        num_classes: That its networks are conditioned on; 0 for none.
        reduction: Over which processes its gradients are summed; this one goes through a slice of its own.
        device: Where the run trains, which decides on its terms; it need not be there.

    Attributes:
        generator: Its generator.
        judges: What is trained against it.
        step: Of the run.

    Raises:
        RuntimeError: If the networks are larger than torch can name.
        ValueError: If the settings make no network.
    """

    def __init__(
        self,
        config: ResolvedConfig,
        *,
        image_channels: int = 3,
        num_classes: int = 0,
        reduction: Reduction = OF_ONE_PROCESS,
        device: torch.device = CPU,
    ) -> None:
        self.config = config
        self._channels, self._classes = image_channels, num_classes
        training = config.training
        with torch.device("meta"):
            critic, teacher = _critic(config, num_classes), _teacher(config, image_channels)
            generator, discriminator = build_networks(
                config, image_channels=image_channels, num_classes=num_classes, critic=critic
            )
            freeze_lower_layers(discriminator, training.freeze_d)
            trained = [generator, discriminator, *([] if critic is None else [critic])]
            for network in trained:
                network.to(memory_format=torch.channels_last)
            average = average_of(generator, training)
        self._frozen: list[nn.Module] = [] if critic is None else [*critic.frozen]
        self._frozen += [] if teacher is None else [teacher]
        with without_content():
            for network in (*trained, average.module, *self._frozen):
                emptied(network)
        smaller = next(smaller_slices(config, IMAGES), None)
        each = training.images_at_a_time
        self._shown = (
            each if each <= IMAGES or smaller is None else smaller.training.images_at_a_time
        )
        self.step = assemble_step(
            config,
            generator=generator,
            discriminator=discriminator,
            average=average,
            critic=critic,
            teacher=teacher,
            # Operations of kornia ask tensors for numbers, which these have not.
            pipe=build_pipe(config.augment.model_copy(update={"extra": ()})),
            microbatch=self._shown,
            epoch_images=training.batch,
            computation=as_written,
            reduction=reduction,
            device=device,
        )
        make_costliest(self.step, config.augment)
        self.generator: Generator = generator
        self.judges: nn.Module = self.step.judges
        self._known: dict[int, StepNeeds] = {}

    def of(self, number: int) -> StepNeeds:
        """A step, with whatever is due in it.

        Args:
            number: Of the step, from 0, in which all is due that is due at times.
        """
        if number not in self._known:
            self._known[number] = self._gone_through(number)
        return self._known[number]

    def _gone_through(self, number: int) -> StepNeeds:
        training, sides = self.config.training, self.config.data.resolution
        each, shown, before = training.images_at_a_time, self._shown, self._moments()
        with without_content():
            real = torch.empty(shown, self._channels, *sides)
            labels = torch.empty(shown, dtype=torch.int64) if self._classes else None
            networks = [self.generator, self.judges, self.step.average.module, *self._frozen]
            with Work([*tensors_of(networks), *before, real]) as work:
                # From them the step counts its number, in batches of such slices of all processes.
                seen = number * shown * self.step.reduction.world.size
                self.step(real, labels, images=seen, streams=StepStreams.at(0, number))
                held = work.now
        # Those that the first step makes are made at its end, and there from the start of every other one.
        moments = 0 if before else sum(moment.nbytes for moment in self._moments())
        weights = sum(p.nbytes for n in (self.generator, self.judges) for p in n.parameters())
        reduction = self.step.reduction
        slices = training.batch // each // reduction.world.size  # of this process
        # While one is computed, sums over those before it are held; see `adavit.training.step.reduction`.
        most = min(slices - 1, 1) if isinstance(reduction, Fast) else slices.bit_length() - 1
        sums, images = weights * most, real[0].nbytes * (slices * each - shown)
        peak = held + (work.peak + moments - held) * each // shown
        return StepNeeds(peak + sums + images, held + images, work.operations / shown)

    def _moments(self) -> list[Tensor]:
        return [
            moment
            for optimizer in (self.step.generator_optimizer, self.step.discriminator_optimizer)
            for state in optimizer.state.values()
            for moment in state.values()
            if isinstance(moment, Tensor)
        ]


def _critic(config: ResolvedConfig, num_classes: int) -> FeatureCritic | None:
    """The heads on frozen features and their network, without weights."""
    features = config.features
    if features.network is None:
        return None
    network = find_network(features.network).unread(
        side=features.side, maps=features.maps, class_token=features.class_token
    )
    san = config.training.san
    return build_critic_on(network, features, num_classes=num_classes, san=san)


def _teacher(config: ResolvedConfig, image_channels: int) -> nn.Module | None:
    """The network whose tokens are distilled, without weights."""
    training, discriminator = config.training, config.discriminator
    if not training.distill_weight or not isinstance(discriminator, ViTConfig):
        return None
    return unread_teacher(
        training.distill_network,
        resolution=config.data.resolution,
        image_channels=image_channels,
        patch=discriminator.patch,
    )
