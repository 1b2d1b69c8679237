"""Leak diagnosis: the share of generated images that show an augmentation."""
