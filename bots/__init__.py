"""Bots: each folder declares one, with what it knows and the conversations it must hold."""
