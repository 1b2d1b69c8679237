"""Fixed networks from images to features: what one is, which there are, and where their weights come from."""
