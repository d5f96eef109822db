"""The live runner: sockets, clocks and requests around the core; must never decide what to trade."""
