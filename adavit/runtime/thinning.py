"""Some of many for a picture or a film, which need not show all."""


def evenly_spread(count: int, most: int) -> list[int]:
    """Positions of at most so many things, evenly spread, the first and the last among them.

    Args:
        count: How many things there are.
        most: How many are kept, at least 2.

    Returns:
        Rising numbers from 0 to `count` - 1; all where there are no more than `most`.
    """
    if count <= most:
        return list(range(count))
    step = (count - 1) / (most - 1)
    return [round(index * step) for index in range(most)]
