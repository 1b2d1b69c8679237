"""The configuration of a run: sections, layers merged into one, and what is chosen when nobody chose."""
