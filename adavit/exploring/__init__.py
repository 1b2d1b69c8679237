"""What a trained generator can draw: loops, mixed styles, directions."""
