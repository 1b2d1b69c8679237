"""What everything stands on: the console, signals, devices, precision, files and random streams."""
