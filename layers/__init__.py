"""What the map holds, at which version, who may see it, how to ask for it.

The only room that defines tables, names the database driver, and decides about access. It leaves
reading files to `importers/` and HTTP to `api/`.
"""
