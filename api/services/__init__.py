"""Services of other systems: looked at, asked for squares and features, and never shown to our callers."""
