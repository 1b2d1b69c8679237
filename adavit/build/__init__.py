"""From the configuration to objects: the only room that knows both."""
