"""`adavit export`."""

from pathlib import Path

import click

from adavit.cli import completion, options
from adavit.publishing.format_names import ENDINGS, check_ending
from adavit.runtime.streams import for_terminal


@click.command()
@click.argument("source", shell_complete=completion.runs)
@click.option(
    "--to",
    required=True,
    type=click.Choice(list(ENDINGS)),
    help="Format. torch has deprecated torchscript for program, the format of torch.export.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help=f"The file; ends in {', '.join(ENDINGS.values())} by format.",
    shell_complete=completion.files,
)
@click.option(
    "--parts",
    is_flag=True,
    help="Also write the mapping (latents to the styles of all layers) and the synthesis (these to images) beside it.",
)
@click.option(
    "--half",
    is_flag=True,
    help="Weights in float16: half the size; says what it costs in accuracy.",
)
@options.which
def command(source: str, to: str, out: Path, parts: bool, half: bool, which: str | None) -> None:
    """Write a generator as a file that needs no adavit.

    SOURCE is a run or a generator file. The file turns latents (and class numbers) and a
    truncation into images, any number at a time, with fixed noise. It is run on a few seeds before it is
    written, and the largest difference from torch is printed. ONNX needs pip install "adavit[onnx]".

    \b
    adavit export runs/00000-small_set-resnet-bgc --to onnx --out generator.onnx
    adavit export generator-best.safetensors --to program --out generator.pt2 --half
    """
    check_ending(out, to)
    from adavit.publishing.export import export
    from adavit.publishing.export_text import summarise_export

    made = export(source, out, to=to, parts=parts, half=half, which=which)
    click.echo(for_terminal(summarise_export(made)))
