"""The type of options that take a number within a range."""

import math
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """click's range of numbers, which NaN is not outside of by click's own comparison."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number of a text.

        Raises:
            click.BadParameter: If it is none within the range.
        """
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number
