"""Measurements, each with the bare bound of the same run beside it."""
