from pathlib import Path

from adavit.publishing.publication_text import summarise_publication
from adavit.publishing.publish import Publication, SentFile

FILES = (
    SentFile("README.md", Path("run/card/README.md"), b"x" * 1200),
    SentFile("generator.safetensors", Path("run/generator-best.safetensors"), b"x" * 34),
)


def test_what_would_be_sent_is_listed_with_what_to_do() -> None:
    made = Publication("me/x", FILES, Path("run/card"), ("photos.zip", "old run"), None)
    assert summarise_publication(made).splitlines() == [
        "Would be sent to hub:me/x:",
        "  README.md                1.2 kB  run/card/README.md",
        "  generator.safetensors  34 bytes  run/generator-best.safetensors",
        "The generator file names data, files and folders that it was made with: photos.zip, old run.",
        "Nothing was sent. Look at run/card, edit it if you like, then give --yes.",
    ]


def test_what_was_sent_says_where_it_is() -> None:
    lines = summarise_publication(
        Publication("me/x", FILES, Path("c"), (), "https://h/me/x")
    ).splitlines()
    assert lines[0] == "Sent to hub:me/x:"
    assert lines[-1] == "It is at https://h/me/x."
    assert len(lines) == 4
