"""Reports of two journals beside each other."""
