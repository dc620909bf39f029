"""Broadcasts: who is reached, how long it takes, one plan for all, and its course."""
