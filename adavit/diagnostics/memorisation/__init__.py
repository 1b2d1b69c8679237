"""Memorisation diagnosis: whether a generator repeats its training images."""
