"""Held by tests: the plan of the house."""
