"""What is known of a set before it is trained on, and the chores around it: check, clean, crop, draw a subset."""
