"""The preflight of a session: what it needs of the machine and of the venue; must never change either of them."""
