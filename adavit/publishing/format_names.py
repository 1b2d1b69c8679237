"""Formats that a generator is exported to, by name. No torch, so that a mistake is told at once."""

from pathlib import Path

from adavit.errors import UserError
from adavit.runtime.choices import check_choice
from adavit.runtime.paths import quoted

ENDINGS = {"onnx": ".onnx", "torchscript": ".pt", "program": ".pt2"}
"""How the name of a file of each format ends."""


def check_ending(out: Path, to: str) -> None:
    """Refuses a name that says another format than the file has.

    Raises:
        UserError: If it ends otherwise, or there is no such format.
    """
    check_choice("--to", to, list(ENDINGS))
    if out.suffix != ENDINGS[to]:
        fitting = next((name for name, ending in ENDINGS.items() if ending == out.suffix), None)
        other = "" if fitting is None else f", or give --to {fitting}"
        is_folder = not out.name or out.is_dir()
        named = (out / "generator" if is_folder else out).with_suffix(ENDINGS[to])
        raise UserError(
            f"--out {str(out)!r} is to be of the format {to}, expected a name that ends in {ENDINGS[to]}. Write"
            f" --out {quoted(str(named))}{other}."
        )
