"""Venues on this machine, for tests and rehearsals: the real protocol in front of a market that is played.

market    feed, symbols, products, faults     serving   listening, connections, REST with faults
bybit     accounts, order entry, streams      binance   the market side
"""
