"""Training: losses, one step, the loop, and what a run leaves behind."""
