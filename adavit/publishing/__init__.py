"""What leaves a run: its generator in other formats, a page about it, both on a hub of models."""
