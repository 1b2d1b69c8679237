"""What `publish` has sent, or would, in a few lines for a person."""

from adavit.publishing.publish import Publication
from adavit.runs.hub import HUB
from adavit.runtime.text_table import aligned
from adavit.runtime.wording import size


def summarise_publication(made: Publication) -> str:
    """Every file with its size, what the generator file names, and what to do next."""
    sent = made.url is not None
    head = f"{'Sent' if sent else 'Would be sent'} to {HUB}{made.repository}:"
    rows = [[f"  {file.name}", size(len(file.content)), str(file.path)] for file in made.files]
    lines = [head, *aligned(rows, right=(1,))]
    if made.names:  # all of them: what is not told here might be what nobody is to know
        lines.append(
            f"The generator file names data, files and folders that it was made with: {', '.join(made.names)}."
        )
    if sent:
        lines.append(f"It is at {made.url}.")
    else:
        lines.append(
            f"Nothing was sent. Look at {made.card}, edit it if you like, then give --yes."
        )
    return "\n".join(lines)
