"""Convolutional discriminators: one frame, and the forms of its blocks by name."""
