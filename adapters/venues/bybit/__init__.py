"""Bybit v5 without I/O: bytes and times in, rows or bytes out; must never open a socket or read a clock.

public      market streams to events                requests    effects to order requests
private     own orders, fills, position, cash       responses   their answers to outcome events
rest        start-up and reconciling                signing     signatures, auth, subscriptions
messages, message_kernel   what a public message says, live and captured: plain and compiled
"""
