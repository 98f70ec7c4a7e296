"""What a place is, as arithmetic: CRS, Chinese map offsets, standard codes, shapes, measures, squares.

No files, network, SQL, clock or environment here.
"""
