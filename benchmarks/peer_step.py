"""A step of another trainer with the modules and names of StyleGAN2-ADA, from a checkout that the user brings.

Nothing of it is here: `training.networks`, `training.loss` and `training.augment` are imported from its path, and
called in its published order (arXiv:2006.06676): the generator's update, the discriminator's, that of R1 every few
steps, each with passes of its own, then the average.
"""

import importlib
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adavit.augment.presets import preset_multipliers
from adavit.training.passes.streams import StepStreams

LATENT, STYLE, MAPPING_LAYERS = 128, 128, 2
RATE = 0.0025
HALF_LIFE_IMAGES = 10_000


def peer_module(path: str, name: str) -> Any:
    """A module of the checkout.

    Raises:
        SystemExit: If there is none.
    """
    if path not in sys.path:
        sys.path.insert(0, path)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SystemExit(
            f"--peer {path} cannot be imported ({error}), expected a checkout with {name}, such as"
            " StyleGAN2-ADA's. Give the folder that holds its training/ and torch_utils/."
        ) from None


class PeerStep:
    """Trains the peer's networks on one batch at a time, in float32.

    Args:
        path: The checkout.
        resolution: Of the images in pixels.
        channels: Of all features.
        p: Of the augmentation bgc, None for none.
        interval: Steps from one R1 to the next.
        r1_gamma: Its weight gamma.
        device: Of the networks.
    """

    def __init__(
        self,
        path: str,
        *,
        resolution: int,
        channels: int,
        p: float | None,
        interval: int,
        r1_gamma: float,
        device: torch.device,
    ) -> None:
        networks, loss = (peer_module(path, f"training.{name}") for name in ("networks", "loss"))
        sizes: dict[str, Any] = {"c_dim": 0, "img_resolution": resolution, "img_channels": 3}
        widths = {"channel_base": channels * resolution, "channel_max": channels, "num_fp16_res": 0}
        self.generator: nn.Module = networks.Generator(
            **sizes,
            z_dim=LATENT,
            w_dim=STYLE,
            mapping_kwargs={"num_layers": MAPPING_LAYERS},
            synthesis_kwargs=widths,
        ).to(device)
        self.discriminator: nn.Module = networks.Discriminator(
            **sizes, **widths, architecture="resnet", epilogue_kwargs={"mbstd_group_size": 4}
        ).to(device)
        for network in (self.generator, self.discriminator):
            network.train().requires_grad_(False)
        self.average = deepcopy(self.generator).eval()
        pipe = None
        if p is not None:
            pipe = peer_module(path, "training.augment").AugmentPipe(**preset_multipliers("bgc"))
            pipe = pipe.train().requires_grad_(False).to(device)
            pipe.p.copy_(torch.as_tensor(p))
        self.loss = loss.StyleGAN2Loss(
            device=device,
            G_mapping=self.generator.mapping,
            G_synthesis=self.generator.synthesis,
            D=self.discriminator,
            augment_pipe=pipe,
            style_mixing_prob=0.0,
            r1_gamma=r1_gamma,
            pl_weight=0.0,
        )
        self.interval = interval
        share = interval / (interval + 1)  # that code's correction of lazy regularisation
        self.generator_optimizer = self._adam(self.generator, 1.0)
        self.discriminator_optimizer = self._adam(self.discriminator, share)

    def __call__(self, real: Tensor, labels: None, *, images: int, streams: StepStreams) -> None:
        """Trains on one batch, as `AdversarialStep` does."""
        batch = len(real)
        self._update("Gmain", self.generator, self.generator_optimizer, real, streams)
        self._update("Dmain", self.discriminator, self.discriminator_optimizer, real, streams)
        if images // batch % self.interval == 0:
            self._update("Dreg", self.discriminator, self.discriminator_optimizer, real, streams)
        keep = 0.5 ** (batch / HALF_LIFE_IMAGES)
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.generator.parameters(), strict=True)
            for mean, value in pairs:
                mean.lerp_(value, 1 - keep)
            for copied, current in zip(
                self.average.buffers(), self.generator.buffers(), strict=True
            ):
                copied.copy_(current)

    def _update(
        self,
        phase: str,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        real: Tensor,
        streams: StepStreams,
    ) -> None:
        """One phase of its loss, and the step of the optimiser that it is for."""
        source = streams.latents
        latents = torch.randn(len(real), LATENT, generator=source, device=source.device)
        no_labels = real.new_zeros(len(real), 0)
        optimizer.zero_grad(set_to_none=True)
        network.requires_grad_(True)
        self.loss.accumulate_gradients(
            phase=phase,
            real_img=real,
            real_c=no_labels,
            gen_z=latents,
            gen_c=no_labels,
            sync=True,
            gain=self.interval if phase.endswith("reg") else 1,
        )
        network.requires_grad_(False)
        optimizer.step()

    @staticmethod
    def _adam(network: nn.Module, share: float) -> torch.optim.Adam:
        betas = 0.0, 0.99**share
        return torch.optim.Adam(network.parameters(), lr=RATE * share, betas=betas, eps=1e-8)


def folder(path: str) -> str:
    """The path of a checkout, for a command line.

    Raises:
        SystemExit: If it is no folder.
    """
    if not Path(path).is_dir():
        raise SystemExit(
            f"--peer {path} is no folder, expected a checkout. Clone one, or correct the path."
        )
    return path
