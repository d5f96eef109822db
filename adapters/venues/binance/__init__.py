"""Binance USD-M futures without I/O, the market side: bytes and times in, rows or bytes out.

venue    what the port asks          public   streams and snapshots to events
rest     requests and answers        books    which book waits for a snapshot
talk     subscriptions               codes    what the venue's codes mean
"""
