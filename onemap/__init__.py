"""The command line, the settings and the private PostGIS; the only room that reads the environment."""
