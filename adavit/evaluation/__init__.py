"""Figures of generated images, each with the protocol it was measured under, and which of them compare."""
