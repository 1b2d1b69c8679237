"""Drawing images from a generator, and writing them."""
