"""The README beside imported networks: where they are from, what they are, on whose terms they may be used."""

from adavit.data.files.members import printable
from adavit.importing.networks import ImportedNetworks
from adavit.runs.imported_folder import ImportedFolder
from adavit.runtime.cells import markdown_cell, markdown_code
from adavit.runtime.paths import quoted

LICENCE = (
    "Weights that NVIDIA has published (FFHQ, AFHQ, MetFaces, BreCaHAD, CIFAR-10, LSUN and others of StyleGAN2,"
    " StyleGAN2-ADA and StyleGAN3) are under NVIDIA's licences, which allow non-commercial use only: research and"
    " evaluation. That holds for these files, and for networks that are trained from them. Weights that others have"
    " trained are under the terms of those."
)
"""What is to be known of NVIDIA's weights before they are used."""


def readme_of(networks: ImportedNetworks, folder: ImportedFolder) -> str:
    """The text, in Markdown.

    Args:
        networks: What was imported.
        folder: Where it is written.
    """
    rows = [
        (folder.generator.name, "generator, average of the weights", networks.average),
        (folder.unaveraged.name, "generator as it was trained", networks.generator),
        (folder.discriminator.name, "discriminator", networks.discriminator),
    ]
    there = [(name, what, network) for name, what, network in rows if network is not None]
    table = [
        f"| `{name}` | {what} | {', '.join(f'{k} {v}' for k, v in network.arguments.items())} |"
        for name, what, network in there
    ]
    notes = [note for *_, network in there for note in network.notes]
    trained = ""
    if networks.images:
        trained = f"Its training saw {networks.images:,} real images, repeats counted.\n"
    data = f"Its images were {markdown_code(networks.data)}.\n" if networks.data else ""
    quoted_path = quoted(printable(folder.path.resolve().name))
    use = [f"adavit train --data my_photos --transfer {quoted_path}"]
    if networks.average is not None:
        drawn = "--seeds 0-31 --truncation 0.7 --noise fixed --grid --out drawn"
        use.insert(0, f"adavit generate {quoted_path} {drawn}")
    remarks = "".join(f"- {note}\n" for note in dict.fromkeys([*networks.left_out, *notes]))
    return f"""# {markdown_cell(networks.name)}

Imported by adavit from the network pickle {markdown_code(networks.name)}, SHA-256
`{networks.digest}`.
Nothing of that file was run; these are its numbers under other names.
{data}{trained}
| file | what it is | sizes |
|---|---|---|
{chr(10).join(table)}

{remarks}
## Licence
{LICENCE}

## Use
```
{chr(10).join(use)}
```
"""
