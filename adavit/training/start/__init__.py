"""Everything before the first step: data and settings, networks, and what they start from."""
