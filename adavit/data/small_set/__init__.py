"""The built-in set: drawings of ten kinds of object, as many as wanted, the same bytes on every machine."""
