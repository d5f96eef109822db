"""Entry of `mm`: finds the command, imports that one only, turns failures into exit codes; must never import the core.

A new command is one module with a click command and one line in `COMMANDS`.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import click
from click.shell_completion import get_completion_class

from mmfold.adapters.cli.errors import (
    EXIT_BUG,
    EXIT_ERROR,
    EXIT_GATE,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    GateFailed,
    hint_of,
    is_user_error,
    message_of,
    print_bug,
    print_error,
)
from mmfold.adapters.cli.interrupts import Interrupted, install_interrupts
from mmfold.adapters.cli.plain_text import settle_streams
from mmfold.adapters.crash import install_crash_hooks

PROGRAM = "mm"
COMPLETE_VAR = "_MM_COMPLETE"
COMPLETION_FILES = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/completions/mm.fish"}


class Entry(NamedTuple):
    """One command: where it is and what `mm --help` says of it, so that help imports nothing."""

    target: str
    summary: str


COMMANDS = {
    "import": Entry(
        "mmfold.adapters.cli.import_command:command",
        "Turn raw captures of a venue, tables, or our own JSONL into a journal: all or nothing.",
    ),
    "journal": Entry(
        "mmfold.adapters.cli.journal_command:command",
        "Look into, verify, convert and recover journals.",
    ),
    "replay": Entry(
        "mmfold.adapters.cli.replay_command:command",
        "Run the core over a journal and show what it decides.",
    ),
    "backtest": Entry(
        "mmfold.adapters.cli.backtest_command:command",
        "Run the core against a simulated venue on a recorded market.",
    ),
    "minimize": Entry(
        "mmfold.adapters.cli.minimize_command:command",
        "Shrink a failing journal to a small one that fails alike.",
    ),
    "ticks": Entry(
        "mmfold.adapters.cli.ticks_command:command",
        "Run fill rules over best bid and ask: the reference, not the venue.",
    ),
    "top": Entry(
        "mmfold.adapters.cli.top_command:command",
        "Show a session as it runs: book, orders, position, PnL, decisions.",
    ),
    "parity": Entry(
        "mmfold.adapters.cli.parity_command:command",
        "Compare a live journal with a backtest of the same market.",
    ),
    "venue": Entry(
        "mmfold.adapters.cli.venue_command:command",
        "Run an emulated venue that real clients can trade on.",
    ),
    "live": Entry(
        "mmfold.adapters.cli.live_command:command",
        "Trade at a venue, or rehearse it in paper or shadow.",
    ),
    "record": Entry(
        "mmfold.adapters.cli.record_command:command",
        "Journal a venue's market, nothing else.",
    ),
    "stop": Entry(
        "mmfold.adapters.cli.stop_command:command",
        "Stop a running mm live or mm record, gently or at once.",
    ),
    "freeze": Entry(
        "mmfold.adapters.cli.freeze_command:freeze",
        "Stop quoting one symbol, or all, of a running session.",
    ),
    "unfreeze": Entry(
        "mmfold.adapters.cli.freeze_command:unfreeze",
        "Quote one symbol, or all, of a running session again.",
    ),
    "pin": Entry(
        "mmfold.adapters.cli.pin_command:pin",
        "Keep settings of one symbol at a value, whatever policies say.",
    ),
    "unpin": Entry(
        "mmfold.adapters.cli.pin_command:unpin",
        "Release pins of one symbol, those of some keys or all.",
    ),
    "resume": Entry(
        "mmfold.adapters.cli.resume_command:command",
        "Lift the stop of an account, or list those that are stopped.",
    ),
    "alerts": Entry(
        "mmfold.adapters.cli.alerts_command:command",
        "Try the way that alerts take to you; list their kinds.",
    ),
    "at": Entry(
        "mmfold.adapters.cli.at_command:command",
        "Show the state of a journal right after one event.",
    ),
    "why": Entry(
        "mmfold.adapters.cli.why_command:command",
        "Say why something was decided, and what came of it.",
    ),
    "diff": Entry(
        "mmfold.adapters.cli.diff_command:command",
        "Show where two journals part, or one under two configurations.",
    ),
    "orders": Entry(
        "mmfold.adapters.cli.tables_command:orders",
        "List own orders: what was asked, what was filled, how they ended.",
    ),
    "fills": Entry(
        "mmfold.adapters.cli.tables_command:fills",
        "List own fills, with fee, realised PnL and position.",
    ),
    "sql": Entry(
        "mmfold.adapters.cli.tables_command:sql",
        "Ask a journal in SQL.",
    ),
    "bisect": Entry(
        "mmfold.adapters.cli.bisect_command:command",
        "Find the commit or the keys that change what a journal gives.",
    ),
    "bundle": Entry(
        "mmfold.adapters.cli.bundle_command:command",
        "Pack a journal for a bug report, without keys.",
    ),
    "fork": Entry(
        "mmfold.adapters.cli.fork_command:command",
        "Go on from an event with other settings, beside what happened.",
    ),
    "portfolio": Entry(
        "mmfold.adapters.cli.portfolio_command:command",
        "Share a budget among symbols, to look at.",
    ),
    "theory": Entry(
        "mmfold.adapters.cli.theory_command:command",
        "Run the world of a paper beside its closed form.",
    ),
    "policies": Entry(
        "mmfold.adapters.cli.policies_command:command",
        "List the policies: when each is due, what it adjusts, its last note.",
    ),
    "bench": Entry(
        "mmfold.adapters.cli.bench_command:command",
        "Measure this machine and print rates and ratios.",
    ),
    "config": Entry(
        "mmfold.adapters.cli.config_command:command",
        "Show, explain, start, check and migrate a configuration.",
    ),
    "secrets": Entry(
        "mmfold.adapters.cli.secrets_command:command",
        "Keep, list and renew the keys of venues; search files for stray ones.",
    ),
    "doctor": Entry(
        "mmfold.adapters.cli.doctor_command:command",
        "Check what a session needs, before it starts.",
    ),
    "docs": Entry(
        "mmfold.adapters.cli.docs_command:command",
        "List and print the pages of the documentation.",
    ),
    "completion": Entry(
        "mmfold.adapters.cli.main:completion",
        "Print the completion script of a shell.",
    ),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table, which is the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].target.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command), COMMANDS[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments start with.

        Raises: NoSuchCommand with the nearest names.
        """
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mmfold", message="%(prog)s %(version)s")
def cli() -> None:
    """Market making as one pure function over one hash-chained log.

    \b
    Example:
      mm import bybit capture.jsonl.zst --out out/b
      mm replay --events out/b --report out/report
    """


@click.command()
@click.argument("shell", type=click.Choice(sorted(COMPLETION_FILES)))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Example:
      mm completion bash >> ~/.bashrc
    """
    completion_class = get_completion_class(shell)
    assert completion_class is not None, shell
    click.echo(completion_class(cli, {}, PROGRAM, COMPLETE_VAR).source())
    if sys.stdout.isatty():
        click.echo(f"add it to {COMPLETION_FILES[shell]}: mm completion {shell} >> {COMPLETION_FILES[shell]}", err=True)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    try:
        result = cli.main(arguments, prog_name=PROGRAM, complete_var=COMPLETE_VAR, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except click.UsageError as error:
        see = f"see: {error.ctx.command_path} --help" if error.ctx else ""
        print_error(error.format_message(), see)
        return EXIT_USAGE
    except click.ClickException as error:
        print_error(error.format_message(), hint_of(error))
        return EXIT_ERROR
    except (click.Abort, KeyboardInterrupt) as error:
        reason = error.__cause__ or error  # click makes an Abort of it
        code = reason.exit_code if isinstance(reason, Interrupted) else EXIT_INTERRUPTED
        print("interrupted" if code == EXIT_INTERRUPTED else f"ended by {reason}", file=sys.stderr)
        return code
    except GateFailed as error:
        if str(error):
            print(error, file=sys.stderr)
        return EXIT_GATE
    except BrokenPipeError:
        # The reader has gone; without this the interpreter would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except Exception as error:
        if is_user_error(error):
            print_error(message_of(error), hint_of(error))
            return EXIT_ERROR
        print_bug(error)
        return EXIT_BUG


def main() -> None:
    """Run `mm` and exit the process."""
    if not __debug__:
        print_error("python -O strips the invariants of the core", "run mm without -O and without PYTHONOPTIMIZE")
        sys.exit(EXIT_USAGE)
    settle_streams()
    install_crash_hooks()
    install_interrupts()
    sys.exit(run())


if __name__ == "__main__":
    main()
