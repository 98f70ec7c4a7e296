"""Broken files, one trouble each, and what One Map must answer to each: see README.md."""
