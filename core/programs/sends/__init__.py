"""Sends: what is due, what must pass before it leaves, and the words it leaves with."""
