"""Two journals of one market beside each other; must never take a journal's word: each is verified and replayed."""
