"""The command line: parse, call adavit, print. No logic lives here."""
