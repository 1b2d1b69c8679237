"""What a discriminator looks at: attention, positions, patches, logits and saliency."""
