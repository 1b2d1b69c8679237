"""Attention, tokens and logits as training and inspection both measure them, and alarms on collapse and overfitting."""
