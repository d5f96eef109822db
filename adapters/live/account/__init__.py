"""The account behind a session: its orders, positions and stops; must never believe our own books."""
