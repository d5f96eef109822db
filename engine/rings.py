"""Counts in rings of one-second buckets; must never judge them.

The bucket of second t counts for times in (now - window, now]. Source: spec/core.md 12.
"""

from mmfold.engine.jit import kernel


@kernel
def window_count(counts, newest_s, now_s, window_s):
    """Return what falls into the window that ends now, of a ring whose newest bucket is of a second."""
    count = 0
    for second in range(max(now_s - window_s, newest_s - counts.size) + 1, newest_s + 1):
        count += counts[second % counts.size]
    return count
