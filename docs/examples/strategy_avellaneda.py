"""A market maker of Avellaneda and Stoikov (2008): quotes around a price that leans against the position.

    mm backtest --events out/n --strategy docs/examples/strategy_avellaneda.py:quote --set user.gamma=0.1 --out out/as

Prices are in ticks, the position q in quotes (position / size of a quote), times in s:

    reservation price = mid - q gamma sigma^2 tau
    half spread       = gamma sigma^2 tau / 2 + ln(1 + gamma / k) / gamma

sigma^2 is the variance of the mid, in ticks^2 a second. It is measured here, an average that forgets by half in
half_life_s, and kept in MEMORY. docs/strategies.md explains what is around it.
"""

from mmfold.engine.codes import Side
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.maths import exp, log
from mmfold.engine.quoting.maker import set_target
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.engine.signals import ceil_ticks, floor_ticks

PARAMS = {
    "gamma": 0.1,  # 1/tick: how much risk is disliked; more leans more and quotes wider
    "k": 1.5,  # 1/tick: how fast fills become rare with the distance from the mid
    "horizon_s": 10.0,  # tau: how long a position is expected to be held
    "half_life_s": 30.0,  # of the variance's average
    "qty_lots": 2.0,  # size of a quote
    "position_max": 10.0,  # quotes held, beyond which a side that would add is not quoted
}
MEMORY = {
    "variance": 0.0,  # ticks^2 / s
    "mid_half_ticks": 0,  # at the last call; half ticks, as the core counts a mid: exact
    "ts_ns": 0,  # of the last call
    "calls": 0,
}
LN_2 = 0.6931471805599453
SECONDS_MIN = 0.001  # of calls that are nearer than that the next one tells


def measure(clock, instrument):
    """Let the variance follow the mid's last move."""
    mid_half_ticks = instrument["signal"]["mid_half_ticks"]
    seconds = (clock["ts_now_ns"] - instrument["memory"]["ts_ns"]) / NS_PER_S
    is_first = instrument["memory"]["calls"] == 0
    if not is_first and seconds < SECONDS_MIN:
        return
    if not is_first:
        move_ticks = (mid_half_ticks - instrument["memory"]["mid_half_ticks"]) / 2.0
        weight = exp(-LN_2 * seconds / instrument["user"]["half_life_s"])
        latest = move_ticks * move_ticks / seconds
        instrument["memory"]["variance"] = weight * instrument["memory"]["variance"] + (1.0 - weight) * latest
    instrument["memory"]["mid_half_ticks"] = mid_half_ticks
    instrument["memory"]["ts_ns"] = clock["ts_now_ns"]
    instrument["memory"]["calls"] += 1


def quote(clock, instrument):
    """Write one target a side, on whole ticks."""
    if instrument["signal"]["mid_half_ticks"] == NO_PRICE_TICKS:
        return
    measure(clock, instrument)
    gamma, k = instrument["user"]["gamma"], instrument["user"]["k"]
    assert gamma > 0.0 and k > 0.0, "gamma and k are above 0"
    qty_lots = max(int(instrument["user"]["qty_lots"]), 1)
    held = instrument["position"]["position_lots"] / qty_lots
    risk_ticks = gamma * instrument["memory"]["variance"] * instrument["user"]["horizon_s"]
    fair_ticks = instrument["signal"]["mid_half_ticks"] / 2.0 - held * risk_ticks
    half_ticks = risk_ticks / 2.0 + log(1.0 + gamma / k) / gamma
    bid_ticks, ask_ticks = floor_ticks(fair_ticks - half_ticks), ceil_ticks(fair_ticks + half_ticks)
    if held < instrument["user"]["position_max"] and bid_ticks > 0:
        set_target(instrument, Side.BID, 0, bid_ticks, qty_lots)
    if held > -instrument["user"]["position_max"] and ask_ticks > 0:
        set_target(instrument, Side.ASK, 0, ask_ticks, qty_lots)
