"""The built-in set: 2,000 drawings of ten kinds of object, the same bytes on every machine."""
