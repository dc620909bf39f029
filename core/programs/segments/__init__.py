"""Segments: one filter over contacts, compiled to SQL."""
