"""Builds networks and augmentation from the configuration; the only room that knows both."""
