"""Rules: the number that says how this build decides, and what every raise of it changed; must never be lowered.

It is raised by hand in the commit that changes what the core decides, or counts, on any journal. docs/rules.md has
the same lines with the reasons; a test compares the two.
"""

RULES = 8

# rules -> what the core does otherwise than under the rules before.
CHANGES = {
    1: "the first release: journals whose manifest names no rules",
    2: "a POSITION flagged OPENING takes over what was held before a journal began",
    3: "a book's numbering is followed: restarts, late and repeated messages; full holds and far lists drop what is "
    "farthest; funding: what the venue says was paid counts, computed funding is a check; "
    "lots are limited by what 64 bits count, not by 2^31",
    4: "policies adjust PARAMS over the operator's base, each on its own schedule: a CONFIG is followed at once, "
    "nothing compounds, who says nothing withdraws; pins",
    5: "the first block of a reason and symbol is an AUDIT row with its figures; the throttle is asked before the caps",
    6: "a daily loss limit of the account, which an absent PARAM leaves off; openings carry the day over",
    7: "the quoters avellaneda and glft; how far trades reach and the mid moves is counted for every instrument; "
    "policies note",
    8: "gates for the depth of a quote's own side, a liquidation that is near and a flip of the position, "
    "and a circuit breaker, which absent PARAMS leave off",
}


def changes_between(rules: int, other_rules: int) -> list[tuple[int, str]]:
    """Return (rules, change) of every raise on the way from one to the other, oldest first."""
    low, high = sorted((rules, other_rules))
    return [(number, text) for number, text in sorted(CHANGES.items()) if low < number <= high]


assert set(CHANGES) == set(range(1, RULES + 1)), "every raise says what it changes"
