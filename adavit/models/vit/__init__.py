"""A vision transformer encoder and the discriminator on it, built from parts that are chosen by name."""
