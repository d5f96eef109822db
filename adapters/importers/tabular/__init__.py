"""Tables of market data, CSV or Parquet, to a journal: which column is what is a mapping, read by one reader.

tardis.dev and Binance Vision are mappings that we bring; a table of one's own has its mapping in a small file.
"""
