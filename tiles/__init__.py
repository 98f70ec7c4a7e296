"""A layer, or several, drawn for one square, and kept.

Knows a scope (rows and fields that may leave), not the user behind it.
"""
