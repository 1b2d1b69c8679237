"""Leak diagnosis: the share of generated images that show an augmentation, estimated with a probe per operation.

An augmentation leaks when the generator learns augmented images instead of clean ones (Karras et al. 2020,
arXiv:2006.06676, section 2.2). No such rate can be read off the images directly, so it is estimated as in
screening for a disease: from the alarms of a fallible test whose two kinds of error were measured.

What it cannot do: a probe knows real images only. What a generator does badly (blur, blotches) may look
operated to it, and the measured errors do not hold for such images. The share of alarms on generated images
that were operated by us is reported beside the probe's sensitivity: where the two differ, or where there are
fewer alarms than the measured errors allow, the rate is called doubtful; where they agree half of the question
is still open. Where generated images repeat few training
images they are fewer than they seem, and the intervals are too narrow.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.config.run import ResolvedConfig
from adavit.diagnostics.diagnosed_images import DiagnosedImages, OpenedDiagnosis
from adavit.diagnostics.leaks.calibration import DRAWS, Parts, calibrate, divide
from adavit.diagnostics.leaks.operations import (
    BCR_SHIFT,
    Operation,
    check_on,
    critic_p,
    operations_by_name,
    operations_of_config,
    operations_of_preset,
)
from adavit.diagnostics.leaks.rates import LEVEL, REPLICATES, Rate, draw_rates, estimate_rate
from adavit.errors import UserError
from adavit.runs.directory import DiagnosticsFolder
from adavit.runtime.console import Console
from adavit.runtime.files import make_folder, write_bytes, write_json
from adavit.runtime.randomness import generator_for, seed_for
from adavit.runtime.text_table import aligned

LEAST_ACCURACY = 0.7
"""Balanced accuracy below which a probe tells nothing."""

DISAGREEMENT = 0.15
"""Difference between the alarms on operated real and generated images from which a rate is doubtful."""

LEAST_P = 0.05
"""A run whose p stayed below has shown its discriminator hardly any augmented image: nothing can have leaked."""

CAUTION = (
    "The probes have seen real images only. A blurred or unfinished image can look to them as if an"
    " operation had changed it, so look at the images before you believe a high share."
)


def leaks(
    diagnosis: OpenedDiagnosis,
    *,
    operations: Sequence[str] | None = None,
    augment: str | None = None,
) -> dict[str, Any]:
    """Estimates for each operation how many generated images show it.

    Writes `leaks.json` and `leaks.png`.

    Args:
        diagnosis: Generated and real images, opened.
        operations: Names as `check_operations` takes them; None takes the operations that the run used.
        augment: A preset of operations, where `operations` is None.

    Returns:
        What is written to `leaks.json`.

    Raises:
        UserError: If there are no such operations, none where the run used none, or one does not work on the images.
    """
    diagnosed = diagnosis.images
    config, highest = diagnosed.config, _highest_p(diagnosed)
    wanted = _choose_operations(config, highest, operations, augment)
    check_on(wanted, diagnosed.fakes[:2])
    make_folder(diagnosis.folder)
    seed = diagnosed.protocol["seed"]
    parts = divide(diagnosed, seed)
    found = []
    for operation in wanted:
        found.append(
            estimate_leak(
                operation,
                parts,
                diagnosed.fakes,
                seed=seed,
                device=diagnosis.device,
                console=diagnosis.console,
            )
        )
    # bCR shifts what the discriminator sees whatever p is.
    of_pipe = [each for each in wanted if each.name != BCR_SHIFT]
    warning = p_warning(highest) if of_pipe else ""
    if warning and len(of_pipe) < len(wanted):
        warning += f" {BCR_SHIFT} apart, which has no p."
    record = {
        "protocol": {
            **diagnosed.protocol,
            "n_probe_training": len(parts.training),
            "n_probe_test": len(parts.test),
            "n_control": len(parts.control),
            "draws_per_test_image": DRAWS,
            "interval": f"{LEVEL:.0%} percentile bootstrap, {REPLICATES} replicates",
            "least_balanced_accuracy": LEAST_ACCURACY,
            "mirror": diagnosed.mirror,
        },
        "highest_p": highest,
        "warning": warning,
        "caution": CAUTION,
        "operations": found,
    }
    files = DiagnosticsFolder(diagnosis.folder)
    title = f"{diagnosed.protocol['source']}: share of images that show an operation"
    write_bytes(files.leak_rates, draw_rates(found, title, warning))
    write_json(files.leaks, record)
    return record


def p_warning(highest: float | None) -> str:
    """What to say where p was too low for leaks; empty where it was not, or is not known.

    Args:
        highest: The largest p that the generator was trained with.
    """
    if highest is None or highest >= LEAST_P:
        return ""
    return (
        f"p never passed {highest:.3g} up to this generator, so what is found here are probably"
        " unfinished images, not leaks."
    )


def estimate_leak(
    operation: Operation,
    parts: Parts,
    fakes: Tensor,
    *,
    seed: int,
    device: torch.device,
    console: Console,
) -> dict[str, Any]:
    """Trains and measures a probe, and estimates rates where it is accurate enough.

    Args:
        operation: What to look for.
        parts: Real images.
        fakes: Generated images, uint8 [N, C, R, R].
        seed: Of everything random.
        device: Where the probe is trained.
        console: Told how it goes.

    Returns:
        The operation's entry of the record. Without `rate` it cannot be told, for the given reason.
    """
    result: dict[str, Any] = {"operation": operation.name}
    calibrated = calibrate(
        operation,
        parts,
        seed=seed,
        device=device,
        progress=lambda done, total: console.activity(f"{operation.name}: probe", done, total),
    )
    if calibrated is None:
        return {**result, "cannot_be_told": "it changes fewer than half of the images"}
    probe, confusion = calibrated.probe, calibrated.confusion
    result |= {
        "balanced_accuracy": round(confusion.balanced_accuracy, 4),
        "sensitivity": round(confusion.sensitivity, 4),
        "specificity": round(confusion.specificity, 4),
    }
    if confusion.balanced_accuracy < LEAST_ACCURACY:
        reason = f"the probe's balanced accuracy is below {LEAST_ACCURACY:g}"
        return {**result, "cannot_be_told": reason}
    stream = generator_for(seed, f"operated fakes of {operation.name}", 0)
    operated, changed = operation.apply(fakes, stream)
    on_operated = float(probe.alarms(operated[changed]).float().mean()) if changed.any() else 0.0
    random = np.random.Generator(np.random.PCG64(seed_for(seed, operation.name, 0)))
    rate, control = (
        estimate_rate(probe.alarms(images).numpy(), confusion, random)
        for images in (fakes, parts.control)
    )
    disagrees = abs(on_operated - confusion.sensitivity) > DISAGREEMENT
    return {
        **result,
        "rate": _as_record(rate),
        "control_rate": _as_record(control),
        "alarms_on_operated_fakes": round(on_operated, 4),
        "doubtful": disagrees or not rate.is_possible,
    }


def _as_record(rate: Rate) -> dict[str, float]:
    return {
        "value": round(rate.value, 4),
        "low": round(rate.low, 4),
        "high": round(rate.high, 4),
    }


def _highest_p(diagnosed: DiagnosedImages) -> float | None:
    """The largest p of what the generator was judged by: a feature critic may have one of its own."""
    highest, config = diagnosed.highest_p, diagnosed.config
    return highest if highest is None or config is None else max(highest, critic_p(config))


def _choose_operations(
    config: ResolvedConfig | None,
    highest: float | None,
    names: Sequence[str] | None,
    preset: str | None,
) -> list[Operation]:
    p = highest or 1.0  # as strong as can be, where there was none or none is known
    if names is not None:
        return operations_by_name(names, None if config is None else config.augment, p=p)
    if preset is not None:
        return operations_of_preset(preset, p=p)
    if config is None:
        raise UserError(
            "images do not say how they were augmented, expected the operations to look for. Give"
            " --operations, for example --operations rotate,brightness, or --augment bgc."
        )
    used = operations_of_config(config, p=p)
    if not used:
        raise UserError(
            "the run augmented nothing, so nothing can have leaked; expected operations to look for"
            " all the same. Give --operations or --augment bgc."
        )
    return used


def summarise_leaks(record: dict[str, Any]) -> str:
    """A record of `leaks` as text."""
    protocol = record["protocol"]
    rows = [["operation", "accuracy", "generated images", "held-out real images"]]
    for entry in record["operations"]:
        accuracy = entry.get("balanced_accuracy")
        row = [entry["operation"], "-" if accuracy is None else f"{accuracy:.2f}"]
        if "cannot_be_told" in entry:
            row += ["-", "-", f"cannot be told: {entry['cannot_be_told']}"]
        else:
            row += [_rate(entry["rate"]), _rate(entry["control_rate"])]
            row += ["doubtful"] if entry["doubtful"] else []
        rows.append(row)
    lines = [
        (
            f"{protocol['n_fake']:,} generated images; probes trained on"
            f" {protocol['n_probe_training']:,} real images, tested on"
            f" {protocol['n_probe_test']:,}; control {protocol['n_control']:,}."
        ),
        "",
        *aligned(rows, right=(1,)),
    ]
    if any(entry.get("doubtful") for entry in record["operations"]):
        lines += [
            "",
            "Doubtful: on generated images the probe does not err as it does on real ones.",
        ]
    warning = [f"Warning: {record['warning']}"] if record["warning"] else []
    return "\n".join([*lines, "", *warning, record["caution"]])


def _rate(rate: dict[str, float]) -> str:
    return f"{100 * rate['value']:.1f}% ({100 * rate['low']:.1f} to {100 * rate['high']:.1f}%)"
