"""Images of one's own in a generator: the styles with which it draws them, or comes as near as it can."""
