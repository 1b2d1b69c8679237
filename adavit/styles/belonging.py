"""Which generator styles and directions belong to: in another one they may mean nothing."""

from adavit.metrics.extractors.extractor import tensors_digest
from adavit.models import Generator
from adavit.runs.generator_file import StoredGenerator

BELONGS_TO = "generator_styles_sha256"
"""Where files of styles and of directions hold the digest of their generator."""


def styles_digest(generator: Generator) -> str:
    """The sha256 of all that makes styles and reads them: generators that share it share their directions.

    Args:
        generator: On any device.

    Returns:
        64 hexadecimal digits.
    """
    tensors = {f"mapping.{name}": t for name, t in generator.mapping.state_dict().items()}
    for number, (style, layer) in enumerate(generator.synthesis.styled_layers()):
        tensors |= {f"{number}.{style}.{name}": t for name, t in layer.affine.state_dict().items()}
    return tensors_digest(tensors)


def belongs_to(digest: str, stored: StoredGenerator) -> bool:
    """Whether what was found in a generator can be used with this one.

    Args:
        digest: `styles_digest` of the generator in which it was found.
        stored: This one.

    Returns:
        True if it is the same generator, or was tuned from it: then it draws at the same styles.
    """
    return digest in (stored.tuned_from, styles_digest(stored.generator))
