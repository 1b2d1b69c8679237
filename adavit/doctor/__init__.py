"""What `adavit doctor` looks at: whether this machine can train, what holds it back, and what to do about that."""
