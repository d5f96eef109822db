"""Keys of the venues: where they are kept and how they are read; must never show a value, nor take one from argv.

A new backend is one file with the four verbs of `adapters/secrets/backend.py` and one line in `registry.py`.
"""
