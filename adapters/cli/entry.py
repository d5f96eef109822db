"""What the installed script calls; must never need a package itself, so that even the first missing one is named."""

import sys

from mmfold.adapters.cli.errors import EXIT_ERROR, is_user_error, message_of, print_error


def main() -> None:
    """Run `mm` and exit the process."""
    try:
        from mmfold.adapters.cli.main import main as run_main
    except ModuleNotFoundError as error:
        if not is_user_error(error):
            raise
        print_error(message_of(error))
        sys.exit(EXIT_ERROR)
    run_main()
