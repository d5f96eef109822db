"""What a person is told whose venue cannot be started; must never be an answer to a client."""


class VenueSetupError(ValueError):
    """A venue that cannot be started as asked; the message says why, `hint` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)
