"""The configuration of a run: its sections, the merging of presets, files and flags, and choosing "auto" settings."""
