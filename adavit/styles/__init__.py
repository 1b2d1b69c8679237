"""Styles w of a generator: of seeds, near to centres, along directions."""
