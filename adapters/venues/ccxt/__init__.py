"""Any other venue's market through ccxt.pro, which has the connections itself; must never need a key.

loading     a venue's markets as instruments        market      its streams as one that comes back
structures  ccxt's structures to events             book        whole books to a snapshot and deltas
"""
