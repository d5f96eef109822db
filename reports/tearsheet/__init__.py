"""The tearsheet of a backtest: what its journal says about money, fills and orders, as data and as pages."""
