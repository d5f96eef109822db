"""The gates: each says whether an instrument, a quote or a request may pass, one file each; never changes an order."""
