"""Watches: changes as they happen, to whoever asks."""
