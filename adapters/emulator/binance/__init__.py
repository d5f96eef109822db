"""Binance USD-M futures on this machine, the market side: REST and streams over the same feeds as the Bybit one.

server   the process               streams   WebSocket connections      topics   what streams tell
rest     envelope, weights         queries   what paths answer          symbol   numbers and trades of a symbol
"""
