"""What one department needs beyond a map; leaves HTTP to `api/`.

A theme without behaviour is one description file.
"""
