"""Files as mm reads and writes them: bounded, never through a link, whole or not at all."""
