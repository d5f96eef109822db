"""What the venues have in common on the market side: feed, symbols, products, faults; must never know a protocol."""
