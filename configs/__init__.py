"""Presets and ablation grids as package resources; `adavit.config` and `adavit.experiments` read them."""
