"""Presets and ablation grids as package resources; `adavit.presets` reads them."""
