"""The studio: a page in a browser on this machine, and a server that draws what it asks for."""
