"""Binance USD-M futures without I/O, the market side: bytes and times in, rows or bytes out.

venue    what the port asks          public   streams and snapshots to events
rest     requests and answers        books    which book waits for a snapshot
talk     subscriptions               codes    what the venue's codes mean
messages, message_kernel, message_fields   what a message says, live and captured: plain and compiled
exchange_info   the venue's list of instruments
"""
