"""What a running session shows of itself: one frame as data and as lines of a terminal; must never decide anything."""
