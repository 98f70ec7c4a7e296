"""What a place is, as arithmetic: CRS and Chinese map offsets, standard codes, shapes, measures, tile matrices.

No files, network, SQL, clock or environment here.
"""
