"""Which unit grid (单元网格) a point is in, who answers for it, and the life of an event.

Leaves drawing to others.
"""
