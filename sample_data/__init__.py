"""A small believable city at the place of Lu'an's urban core, and the script that makes it at any size."""
