"""Text that came from outside, as it may be shown: nothing in it moves a cursor or hides what follows."""


def printable(text: str) -> str:
    """Return a text with control, format and other unprintable characters spelled as escapes, as in \\x1b."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
