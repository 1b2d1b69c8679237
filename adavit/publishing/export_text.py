"""What `export` has written, in a few lines for a person."""

from adavit.publishing.export import Export, ExportedFile
from adavit.publishing.exported_network import IMAGES
from adavit.runtime.wording import size

LEVELS = 127.5
"""Of a byte for 1 of an image in [-1, 1]."""


def summarise_export(made: Export) -> str:
    """A line for each file, and one on what made them."""
    lines = [_line(file, made) for file in made.files]
    precision = " Weights are in float16, computed with in float32." if made.half else ""
    lines.append(
        f"Made by {made.made_by}. Noise at each pixel is fixed, as with generate --noise fixed.{precision}"
    )
    if made.files[0].difference is None:
        lines.append(
            f'Not checked against the generator: {made.runtime} is not installed (pip install "adavit[onnx]").'
        )
    return "\n".join(lines)


def _line(file: ExportedFile, made: Export) -> str:
    inputs = ", ".join(f"{name} {kind}" for name, kind in file.inputs.items())
    line = f"Wrote {file.path} ({size(file.bytes)}): {inputs} -> {file.output}"
    found = file.difference
    if found is None:
        return f"{line}."
    levels = ""
    if file.output.startswith(f"{IMAGES} ") and made.half:
        levels = f" ({LEVELS * found.largest:.2g} of 255 levels)"
    average = f", {found.root_mean_square:.2g} root mean square" if made.half else ""
    return (
        f"{line}. {made.runtime} differs from the generator by at most {found.largest:.2g}{levels}"
        f"{average}."
    )
