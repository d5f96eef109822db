"""The features: each accumulates something from mids, fills, orders and time, one file each; never decides anything."""
