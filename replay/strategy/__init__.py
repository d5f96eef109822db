"""A user's own strategy: one file, checked before it runs, compiled like ours; must never be loaded unasked."""
