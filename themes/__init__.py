"""What one department needs beyond a map. A theme without behaviour is one description file; leaves HTTP to `api/`."""
