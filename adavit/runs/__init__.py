"""What lies on the disk of a run: the directory, its records, checkpoints, generators and trunks."""
