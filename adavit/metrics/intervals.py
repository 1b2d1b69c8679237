"""Confidence intervals of what is counted."""


def wilson_interval(hits: float, count: int, *, z: float) -> tuple[float, float]:
    """Wilson's confidence interval of a proportion.

    Wilson 1927 ("Probable inference, the law of succession, and statistical inference", Journal of
    the American Statistical Association 22): the shares whose distance to the observed one is at most
    z standard errors of their own.

    Args:
        hits: From 0 to `count`; a trial may be half a hit.
        count: Of trials, at least 1.
        z: Quantile of the normal distribution, such as 1.96 for an interval of 95%.

    Returns:
        Its ends, in [0, 1].
    """
    share = hits / count
    centre = share + z * z / (2 * count)
    spread = z * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    scale = 1 + z * z / count
    # At the ends the exact bounds are 0 and 1; rounding may miss them.
    low = 0.0 if hits == 0 else (centre - spread) / scale
    high = 1.0 if hits == count else (centre + spread) / scale
    return low, high


def newcombe_interval(
    first: tuple[int, int], second: tuple[int, int], *, z: float
) -> tuple[float, float]:
    """Newcombe's confidence interval of the difference of two proportions that share no trial.

    Newcombe 1998 ("Interval estimation for the difference between independent proportions", Statistics in Medicine
    17, method 10): of Wilson's intervals, the distances from shares to ends are added as standard errors are.

    Args:
        first: Hits and trials.
        second: Likewise; its share is taken away.
        z: As for `wilson_interval`.

    Returns:
        Its ends, in [-1, 1].
    """
    share, other = first[0] / first[1], second[0] / second[1]
    low, high = wilson_interval(*first, z=z)
    other_low, other_high = wilson_interval(*second, z=z)
    down = ((share - low) ** 2 + (other_high - other) ** 2) ** 0.5
    up = ((high - share) ** 2 + (other - other_low) ** 2) ** 0.5
    return share - other - down, share - other + up
