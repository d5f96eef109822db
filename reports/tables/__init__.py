"""A journal as Arrow tables, and SQL over them: what `mmfold.open` gives; must never be where a journal is kept."""
