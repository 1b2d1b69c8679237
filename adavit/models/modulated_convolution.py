"""The modulated convolution of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958, section 2.2).

Equations 1 and 3 of the paper scale the kernels of each sample, w'_ijk = s_i w_ijk and
w''_ijk = w'_ijk / sqrt(sum_ik w'_ijk^2 + eps), which makes a grouped convolution with B sets of
kernels. Convolution is linear in its input channels i and its output channels j, so scaling the
input by s_i and the output by the demodulation factor is exactly the same function with one shared
set of kernels: an ordinary, fast convolution.
"""

from torch import Tensor

from adavit.models.convolution import convolve, convolve_transposed
from adavit.models.resampling import smooth
from adavit.runtime.precision import without_autocast


def demodulation(weight: Tensor, styles: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Factors that bring each output channel back to unit standard deviation.

    Karras et al. 2020 (arXiv:1912.04958), equation 3: d_j = 1 / sqrt(sum_ik (s_i w_ijk)^2 + eps).
    Always computed in float32 or better, autocast or not: the squares need the precision.

    Args:
        weight: Kernels [O, C, K, K].
        styles: Scale of each input channel [B, C].
        epsilon: Keeps the factor finite where all styles are zero.

    Returns:
        Factors [B, O], > 0, of the weight's dtype.
    """
    with without_autocast(weight.device):
        energy = weight.square().sum(dim=(2, 3))  # [O, C]
        return (styles.to(weight.dtype).square() @ energy.T + epsilon).rsqrt()


def modulated_convolution(
    features: Tensor, weight: Tensor, styles: Tensor, *, upsample: bool = False
) -> Tensor:
    """Convolution whose kernels are scaled by a style, equation 1: before demodulation.

    The caller multiplies the result by `demodulation`, together with what else it does to each
    pixel (noise, bias, activation).

    Args:
        features: Features [B, C, H, W].
        weight: Kernels [O, C, 3, 3], shared by the samples.
        styles: Scale of each input channel [B, C].
        upsample: Whether to double the side: a transposed convolution of stride 2, which inserts
            the zeros, and the FIR filter (1, 3, 3, 1) with gain 4.

    Returns:
        Features [B, O, H, W], or [B, O, 2 H, 2 W] when upsampling.
    """
    scaled = features * styles.to(features.dtype)[:, :, None, None]
    if not upsample:
        return convolve(scaled, weight, padding=1)
    # Side 2 H + 1; the filter trims it to 2 H. One 6x6 kernel would do both at four times the work.
    spread = convolve_transposed(scaled, weight.transpose(0, 1), stride=2)
    return smooth(spread, padding=1, gain=4.0)
