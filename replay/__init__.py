"""Drivers on recorded or simulated events: each a loop of a few lines around the core; never a second dispatch."""
