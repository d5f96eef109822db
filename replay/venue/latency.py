"""How long requests and answers are on their way; one connection, so neither overtakes its like.

Models: constant; normal around a mean, cut at 0; measured samples, interpolated by the request's time.
"""

from mmfold.engine.codes import EventKind
from mmfold.engine.jit import kernel
from mmfold.engine.records import NO_VALUE
from mmfold.replay.venue.chance import draw_32, normal_of
from mmfold.replay.venue.records import MESSAGE_COUNT_MAX, Purpose


@kernel
def spread_ns(rules, mean_ns, key, purpose):
    """Return a latency drawn around its mean, at least 0."""
    if rules["latency_std_ns"] == 0:
        return mean_ns
    latency_ns = mean_ns + rules["latency_std_ns"] * normal_of(draw_32(rules["seed"], key, purpose))
    return int(latency_ns) if latency_ns > 0.0 else 0


@kernel
def find_sample(sim, ts_ns):
    """Return the last sample at or before a time, -1 before the first."""
    samples = sim["latency_samples"]
    low, high = 0, sim["rules"]["latency_sample_count"]
    while low < high:
        middle = (low + high) // 2
        if samples[middle]["ts_request_ns"] <= ts_ns:
            low = middle + 1
        else:
            high = middle
    return low - 1


@kernel
def between(ts_ns, left_ns, right_ns, left, right):
    """Return the value at a time on the line between two points, rounded down; times apart by at most 2^31 ms."""
    share = (ts_ns - left_ns) * 1.0 / (right_ns - left_ns)
    return left + int((right - left) * share)


@kernel
def sampled_ns(sim, ts_ns, is_entry):
    """Return a measured latency at a time; beyond the samples the nearest one holds."""
    samples, count = sim["latency_samples"], sim["rules"]["latency_sample_count"]
    at = find_sample(sim, ts_ns)
    left, right = samples[max(at, 0)], samples[min(at + 1, count - 1)]
    left_ns = left["entry_ns"] if is_entry else left["response_ns"]
    right_ns = right["entry_ns"] if is_entry else right["response_ns"]
    if left["ts_request_ns"] >= right["ts_request_ns"] or ts_ns <= left["ts_request_ns"]:
        return left_ns
    return between(ts_ns, left["ts_request_ns"], right["ts_request_ns"], left_ns, right_ns)


@kernel
def entry_latency_ns(sim, request, ts_ns):
    """Return how long a request that leaves at `ts_ns` takes to the venue."""
    rules = sim["rules"]
    if request["kind"] == EventKind.AMEND and rules["amend_latency_ns"] != NO_VALUE:
        return rules["amend_latency_ns"]
    if request["kind"] == EventKind.CANCEL and rules["cancel_latency_ns"] != NO_VALUE:
        return rules["cancel_latency_ns"]
    if rules["latency_sample_count"] > 0:
        return sampled_ns(sim, ts_ns, True)
    return spread_ns(rules, rules["entry_latency_ns"], request["seq"], Purpose.ENTRY)


@kernel
def response_latency_ns(sim, ts_ns):
    """Return how long the answer that leaves the venue at `ts_ns` takes."""
    rules = sim["rules"]
    if rules["latency_sample_count"] > 0:
        return sampled_ns(sim, ts_ns, False)
    return spread_ns(rules, rules["response_latency_ns"], sim["answer_count"], Purpose.RESPONSE)


@kernel
def post_message(messages, count, ts_ns):
    """Make place for one message by its time, behind those of the same time, and return it."""
    assert count < MESSAGE_COUNT_MAX
    place = count
    while place > 0 and messages[place - 1]["ts_ns"] > ts_ns:
        messages[place]["ts_ns"] = messages[place - 1]["ts_ns"]
        messages[place]["row"] = messages[place - 1]["row"]
        place -= 1
    messages[place]["ts_ns"] = ts_ns
    return messages[place]


@kernel
def take_first(messages, count):
    """Drop the first message."""
    for i in range(1, count):
        messages[i - 1]["ts_ns"] = messages[i]["ts_ns"]
        messages[i - 1]["row"] = messages[i]["row"]


@kernel
def send_request(sim, row, ts_ns):
    """Put a request that leaves at `ts_ns` on its way to the venue."""
    arrival_ns = max(ts_ns + entry_latency_ns(sim, row, ts_ns), sim["ts_sent_ns"])
    sim["ts_sent_ns"] = arrival_ns
    message = post_message(sim["requests"], sim["request_count"], arrival_ns)
    message["row"] = row
    sim["request_count"] += 1
