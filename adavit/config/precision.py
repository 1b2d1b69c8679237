"""The numbers that networks calculate with where nobody says it: chosen for speed, since no loss of quality was found.

bf16 keeps norms, deviations, sums and logits in float32 (`adavit.runtime.precision`).
"""

from adavit.runtime.resolution import Resolution

BF16_FROM = 64
"""Pixels below which bfloat16 is slower on a CUDA device. A step of full-size networks at 32 px is bound by the host,
which launches kernels, and autocast adds casts: on an H100 the ResNet took 861 images/s in it and 1,156 in float32, the
ViT 541 and 706."""


def choose_precision(device: str, bf16: bool | None, resolution: Resolution) -> tuple[str, str]:
    """The precision of a device, and why, for people, where it is not the usual one of its kind.

    Args:
        device: "cpu", which usually gets float32, or "cuda", which usually gets bf16.
        bf16: Whether it has units for bfloat16; None: not asked, a CUDA device has them and a CPU does not.
        resolution: Of the images.

    Returns:
        A value of `training.precision`, and a sentence or "".
    """
    if device != "cuda":
        if not bf16:
            return "float32", ""
        # Measured from 32 px on, networks of a CPU: benchmarks/results/bf16_cpu.md.
        why = "Calculating in bf16, which the AMX units of this processor speed up"
        return "bf16", f"{why}; --set training.precision=float32 keeps to float32."
    if bf16 is False:
        return "float32", "Calculating in float32, since this device only emulates bf16."
    if resolution.nominal_side < BF16_FROM:
        why = f"Calculating in float32, which is faster than bf16 below {BF16_FROM} px on CUDA."
        return "float32", why
    return "bf16", ""
