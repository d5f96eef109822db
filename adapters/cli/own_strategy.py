"""`--strategy FILE:FUNCTION`: loads a user's own strategy; must come before anything imports the kernels."""


def load_strategy(text: str) -> None:
    """Load a strategy file and put its function in the place of the core's user quoter.

    Raises: StrategyRefused, OSError.
    """
    from mmfold.replay.strategy.file import install_strategy, read_strategy

    install_strategy(read_strategy(text))
