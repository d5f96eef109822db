"""Shrinks a failing journal to a small one that fails for the same reason; must never call a passing one failing."""
