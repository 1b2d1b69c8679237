"""Basics that every room uses: the console, signals, devices, precision, files and random streams."""
