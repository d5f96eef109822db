"""Debugging by replay, as a library: `library.open_journal(path).at(seq)`; the commands only print what it gives."""
