"""Which commit, or which key of a configuration, changes what a journal gives."""
