"""The log: hash-chained binary segments, their writer, readers, verification, recovery and caches (docs/data.md 3, 4).

Must never decide anything about trading and never change a committed byte.
"""
