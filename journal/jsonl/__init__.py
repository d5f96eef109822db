"""Events as lines of JSON and back, one canonical spelling each; must never accept a line that says two things."""
