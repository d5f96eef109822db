"""The log itself: binary segments of hash-chained events, their writer, readers, verification, seal, checkpoints."""
