"""Where the venue is reached over REST, by mode; must never lead orders of one environment to the other.

Source: Bybit v5 docs, integration guidance: mainnet and testnet base endpoints.
"""

MAINNET = "https://api.bybit.com"
TESTNET = "https://api-testnet.bybit.com"
# Paper and shadow look at the real market and send nothing.
REST_ENDPOINTS = {"paper": MAINNET, "shadow": MAINNET, "testnet": TESTNET, "live": MAINNET}
