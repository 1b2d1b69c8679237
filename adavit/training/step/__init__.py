"""One training step of both networks, and the average of the generator."""
