"""Submitting each job exactly once, and cancelling it."""
