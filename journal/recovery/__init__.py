"""What is left after a crash or damage, by the bytes alone; must never destroy one of them."""
