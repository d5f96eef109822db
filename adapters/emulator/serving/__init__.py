"""What the venues have in common as processes: listening, connections, REST with faults; must never know a message."""
