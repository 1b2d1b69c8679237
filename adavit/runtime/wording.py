"""Words around numbers."""


def counted(count: int, one: str, many: str) -> str:
    """A number of things in words: "1 file", "1,200 files"."""
    return f"{count:,} {one if count == 1 else many}"
