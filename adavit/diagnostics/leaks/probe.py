"""A small network that learns to tell images with one operation from images without it."""

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.augment.devices import is_accelerator
from adavit.data import images_to_float
from adavit.diagnostics.leaks.operations import PIXELS_PER_CALL, Operation
from adavit.metrics import as_rgb
from adavit.runtime.optimizers import PlainAdamW
from adavit.runtime.randomness import generator_for, seed_for
from adavit.runtime.resolution import Resolution

STEPS = 400
BATCH = 48  # images; each is seen as it is and operated
CHECK_EVERY = 50  # steps between looks at the validation images
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-2
DROPOUT = 0.2
NOISE_STD = 0.02  # in pixel values of [-1, 1]; hides what no person sees
VALIDATION_SHARE = 0.15
CHANNELS = (32, 64, 96, 128)


class ProbeNetwork(nn.Module):
    """Strided convolutions down to the smallest grid, of squares of 4 * 2^k 4 x 4 px, then a linear layer.

    Args:
        resolution: Of the images.
    """

    def __init__(self, resolution: Resolution) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs, kernel = 3, 5
        for halving in range(resolution.doublings):
            outputs = CHANNELS[min(halving, len(CHANNELS) - 1)]
            layers.append(nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2))
            layers += [nn.GroupNorm(8, outputs), nn.ReLU(inplace=True)]
            inputs, kernel = outputs, 3
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Dropout(DROPOUT), nn.Linear(inputs * resolution.smallest.area, 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B] of images float32 [B, 3, H, W] in [-1, 1]; above 0 means operated."""
        logits: Tensor = self.head(self.body(images).flatten(1))[:, 0]
        return logits


class Probe:
    """A trained probe.

    Args:
        network: In evaluation mode.
        device: Where it is.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = network
        self._device = device

    @torch.no_grad()
    def alarms(self, images: Tensor) -> Tensor:
        """Whether images, uint8 [N, C, H, W], look operated; bool [N] on the CPU."""
        rows = max(1, PIXELS_PER_CALL // images[0, 0].numel()) if len(images) else 1
        parts = [
            self._network(images_to_float(as_rgb(part.to(self._device)))).cpu() > 0
            for part in images.split(rows)
        ]
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.bool)


def train_probe(
    operation: Operation,
    images: Tensor,
    *,
    seed: int,
    device: torch.device,
    progress: Callable[[int, int], None] | None = None,
) -> Probe:
    """Trains a probe on real images, each as it is and operated, so both classes weigh the same.

    The operation is drawn anew at each step. The network is looked at from time to time on images set aside
    for that, and the best one is kept.

    Args:
        operation: What to learn; must change some of the images.
        images: uint8 [N, C, H, W], N >= 2; on the CPU.
        seed: Of weights, batches and draws.
        device: Where it is trained.
        progress: Called with the steps done and all of them.

    Returns:
        The probe.
    """
    stream = generator_for(seed, f"probe of {operation.name}", 0)
    order = torch.randperm(len(images), generator=stream)
    aside = max(1, round(VALIDATION_SHARE * len(images)))
    validation = _examples(operation, images[order[:aside]], stream)
    training = images[order[aside:]]
    with torch.random.fork_rng([device] if is_accelerator(device) else [], device_type=device.type):
        torch.manual_seed(seed_for(seed, f"probe weights of {operation.name}", 0))
        placed: dict[str, Any] = {"device": device, "memory_format": torch.channels_last}
        network = ProbeNetwork(Resolution(*images.shape[2:])).to(**placed)
        optimiser = PlainAdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, LEARNING_RATE, total_steps=STEPS, pct_start=0.15
        )
        best_loss, best = float("inf"), copy.deepcopy(network.state_dict())
        for step in range(1, STEPS + 1):
            chosen = torch.randint(len(training), (BATCH,), generator=stream)
            examples, labels = _examples(operation, training[chosen], stream)
            noise = torch.randn(examples.shape, generator=stream) * NOISE_STD
            if len(examples):  # by chance a batch may hold nothing but blank images
                logits = network((examples + noise).to(device))
                loss = F.binary_cross_entropy_with_logits(logits, labels.to(device))
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
            schedule.step()
            if step % CHECK_EVERY == 0 or step == STEPS:
                value = _loss(network, validation, device)
                if value <= best_loss:
                    best_loss, best = value, copy.deepcopy(network.state_dict())
            if progress is not None:
                progress(step, STEPS)
    network.load_state_dict(best)
    return Probe(network.eval(), device)


def _examples(
    operation: Operation, images: Tensor, stream: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Images as they are and operated, float32 [2 B, 3, R, R], and labels [2 B]; without those that cannot change."""
    operated, shown = operation.apply(images, stream)
    both = images_to_float(as_rgb(torch.cat([images[shown], operated[shown]])))
    labels = torch.zeros(len(both))
    labels[len(both) // 2 :] = 1
    return both.contiguous(memory_format=torch.channels_last), labels


@torch.no_grad()
def _loss(network: nn.Module, examples: tuple[Tensor, Tensor], device: torch.device) -> float:
    images, labels = examples
    if not len(labels):
        return 0.0
    network.eval()
    logits = torch.cat([network(part.to(device)).cpu() for part in images.split(2 * BATCH)])
    network.train()
    return float(F.binary_cross_entropy_with_logits(logits, labels))
