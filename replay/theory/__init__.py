"""The worlds of two papers, to hold the closed forms against: no market, no journal; must never feed a backtest."""
