"""The presets that are shipped, each as its file describes it."""

from dataclasses import dataclass

from adavit.config.layers import Values, parse_yaml, preset_names, preset_text
from adavit.runtime.file_heads import read_head


@dataclass(frozen=True)
class Preset:
    """A preset.

    Attributes:
        name: As `--preset` takes it.
        meaning: In a clause.
        command: How it is used.
        about: What the head of its file says: what was taken over from a paper, what was not, what to expect.
        settings: By section.
        text: The file.
    """

    name: str
    meaning: str
    command: str
    about: str
    settings: Values
    text: str


def describe_preset(name: str) -> Preset:
    """A shipped preset.

    Raises:
        UserError: If there is none of that name.
    """
    text = preset_text(name)
    head = read_head(text)
    return Preset(
        name=name,
        meaning=head.in_short,
        command=head.command,
        about=head.meaning,
        settings=parse_yaml(text, f"preset {name}"),
        text=text,
    )


def shipped_presets() -> list[Preset]:
    """All of them by name."""
    return [describe_preset(name) for name in preset_names()]
