"""What training and inspection both look at: attention, tokens, logits, and when to worry."""
