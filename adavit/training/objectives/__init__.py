"""What is minimised: adversarial losses, penalties and other regularizers, as functions and small objects."""
