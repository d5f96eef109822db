"""The tick backtest of reference: fill rules on best bid and ask; must never pass for the simulated venue.

Every amount is an exact decimal: the rules ask whether a price *equals* the best one, and the sums have known answers.
Source: spec/reports.md 1, spec/core.md 24.
"""
