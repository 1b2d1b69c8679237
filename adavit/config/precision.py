"""The numbers that networks calculate with where nobody says it: chosen for speed.

bf16 keeps norms, deviations, sums and logits in float32 (`adavit.runtime.precision`). Three seeds of a ResNet on a CPU
told no loss of quality (`benchmarks/results/bf16_cpu.md`); on CUDA quality has not been compared.
"""


def choose_precision(
    device: str, bf16: bool | None, *, named: str = "training.precision"
) -> tuple[str, str]:
    """The precision of a device, and why, for people, where it is not the usual one of its kind.

    Args:
        device: "cpu", which usually gets float32, or "cuda", which usually gets bf16.
        bf16: Whether it has units for bfloat16; None: not asked, a CUDA device has them and a CPU does not.
        named: The setting, for the sentence.

    Returns:
        "float32" or "bf16", and a sentence or "".
    """
    if device != "cuda":
        if not bf16:
            return "float32", ""
        # Measured from 32 px on, networks of a CPU: benchmarks/results/bf16_cpu.md.
        why = "Calculating in bf16, for which this processor has units that are faster"
        return "bf16", f"{why}; --set {named}=float32 keeps to float32."
    if bf16 is False:
        return "float32", "Calculating in float32, since this device only emulates bf16."
    # From 32 px on, where steps are launched as graphs: benchmarks/results/h200.md.
    return "bf16", ""
