"""What may be added to the adversarial losses: one object each, in the list that the step goes through."""
