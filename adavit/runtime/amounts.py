"""Amounts of memory as people write them."""

import re

_UNITS = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", start=1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", start=1)},
}
_BY_LOWER_CASE = {unit.lower(): factor for unit, factor in _UNITS.items()}
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([a-zA-Z]{1,3})")


def bytes_of(amount: str) -> int:
    """Reads an amount of memory.

    Args:
        amount: A number and its unit, such as "8GB" (8 * 10^9 bytes), "8GiB" (8 * 2^30) or "6000MB".

    Raises:
        ValueError: If it is none.
    """
    found = _AMOUNT.fullmatch(amount.strip())
    factor = None if found is None else _BY_LOWER_CASE.get(found[2].lower())
    if found is None or factor is None or not float(found[1]):
        raise ValueError(
            f"{amount!r} is not an amount of memory, expected a number above 0 and its unit. Use 8GB, 8GiB or 6000MB."
        )
    return int(float(found[1]) * factor)
