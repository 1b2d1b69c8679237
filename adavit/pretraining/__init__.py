"""Masked patch prediction: the trunk of a ViT discriminator learns images before it judges them."""
