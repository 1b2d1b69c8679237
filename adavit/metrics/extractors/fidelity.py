"""torch-fidelity's other feature extractors: `vgg16`, `clip-*` and `dinov2-*`.

The networks and their TensorFlow-1 resizing are torch-fidelity's own. VGG16 is read as Inception
is: tensors only. CLIP comes as TorchScript and DINOv2 as code from torch.hub; both run what they
download, so they load only when a user names them, with a warning.
"""

import contextlib
import io
import sys
from collections.abc import Iterator
from urllib.error import URLError

import torch
import torchvision
from torch import Tensor
from torch_fidelity.utils import create_feature_extractor

from adavit.augment.devices import is_accelerator
from adavit.errors import UserError, first_line
from adavit.metrics.extractors.extractor import as_rgb, exact_arithmetic, tensors_digest
from adavit.metrics.extractors.names import CLIP_NAMES
from adavit.metrics.extractors.weight_files import WeightFile
from adavit.metrics.kinship import CLIP, DINOV2, IMAGENET

VGG16_WEIGHTS = WeightFile(
    "VGG16",
    torchvision.models.VGG16_Weights.IMAGENET1K_V1.url,
    "397923af",
    "--extractor vgg16:FILE",
)


class FidelityFeatures:
    """Features of one of torch-fidelity's registered networks.

    Args:
        name: As torch-fidelity registers it, for example "vgg16".
        module: The network, from `build_network`.
        weights_digest: sha256 of its weights.
        learned_from: What they were trained on, see `adavit.metrics.kinship`.
        resize: How it resizes what it sees, for the record.
        device: Where the network runs.
    """

    def __init__(
        self,
        name: str,
        module: torch.nn.Module,
        weights_digest: str,
        *,
        learned_from: str,
        resize: str,
        device: torch.device | str = "cpu",
    ) -> None:
        self.name = name
        self.weights_digest = weights_digest
        self.learned_from = learned_from
        self.resize = resize
        self.device = torch.device(device)
        self.batch = 128 if is_accelerator(self.device) else 8
        self._module = module.to(self.device)
        self.features = self(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape[1]

    def __call__(self, images: Tensor) -> Tensor:
        """Features of images.

        Args:
            images: Images [B, C, H, W], uint8, C in 1, 3, 4, any device.

        Returns:
            Features [B, F], float32, on `self.device`.

        Raises:
            UserError: If `images` is not such a tensor.
        """
        with exact_arithmetic():
            return self._module(as_rgb(images.to(self.device)).contiguous())[0]


def vgg16_features(
    state: dict[str, Tensor], weights_digest: str, device: torch.device | str = "cpu"
) -> FidelityFeatures:
    """VGG16's second dense layer after its ReLU, 4096 features, which defines precision and recall.

    Args:
        state: Parameters by name, as `expected_vgg16_state` lists them.
        weights_digest: sha256 of the file they come from.
        device: Where the network runs.
    """
    module = build_network("vgg16", "fc2_relu", state)
    return FidelityFeatures(
        "vgg16",
        module,
        weights_digest,
        learned_from=IMAGENET,
        resize="bilinear as in TensorFlow 1 to 224 px",
        device=device,
    )


def expected_vgg16_state() -> dict[str, Tensor]:
    """Names, shapes and types of VGG16's tensors, on the "meta" device."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return dict(torchvision.models.vgg16(weights=None).state_dict())


def downloaded_features(name: str, device: torch.device | str = "cpu") -> FidelityFeatures:
    """CLIP or DINOv2 by torch-fidelity's own loading, which runs what it downloads.

    Args:
        name: One of `adavit.metrics.extractors.names.UNSAFE_NAMES`.
        device: Where the network runs.

    Raises:
        UserError: If it is neither on disk nor to be had.
    """
    layer = "clip" if name in CLIP_NAMES else "dinov2"
    try:
        with torch.random.fork_rng(devices=[]), _standard_output_kept_clean():
            module = create_feature_extractor(name, [layer], cuda=False, verbose=False)
    except (URLError, OSError, RuntimeError, ImportError, EOFError) as error:
        raise UserError(
            f"extractor {name} could not be loaded ({first_line(error)}). Expected it in"
            f" {torch.hub.get_dir()} or a connection to download it. Run this once where there is"
            " one and copy that folder, or use extractor random."
        ) from None
    side = getattr(module, "resolution", 224)
    return FidelityFeatures(
        name,
        module,
        tensors_digest(module.state_dict()),
        learned_from=CLIP if name in CLIP_NAMES else DINOV2,
        resize=f"bilinear as in TensorFlow 1 to {side} px",
        device=device,
    )


def build_network(network: str, layer: str, state: dict[str, Tensor]) -> torch.nn.Module:
    """A network of torch-fidelity from tensors that were read safely.

    Args:
        network: As torch-fidelity registers it.
        layer: Which of its features.
        state: Parameters and buffers by name.

    Returns:
        A module from uint8 [B, 3, H, W] to a tuple of one tensor.
    """
    # torch-fidelity unpickles `weights_path`; these bytes were written one line above, so that is
    # harmless. Building layers draws initial weights from the global generator, which must not
    # move.
    with torch.random.fork_rng(devices=[]):
        return create_feature_extractor(
            network,
            [layer],
            cuda=False,
            verbose=False,
            feature_extractor_weights_path=saved(state),
        )


def saved(state: dict[str, Tensor]) -> io.BytesIO:
    """Tensors as `torch.save` writes them, in memory."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return buffer


@contextlib.contextmanager
def _standard_output_kept_clean() -> Iterator[None]:
    """Sends what is printed to standard error: standard output is for the record alone."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
