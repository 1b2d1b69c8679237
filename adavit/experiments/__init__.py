"""Experiments of many runs: ablation grids and searches, worked through from one queue."""
