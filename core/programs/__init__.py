"""Reaching out: programs, their schedules, what is due, and what must pass before it is sent."""
