"""The control socket of a session: one command and one answer a connection; must never take another user's word.

It lies in the journal's directory beside the writer lock, mode 0600, and is reached through the directory's file
descriptor, so that a long path is no matter. Who asks is known by the credentials that the kernel gives.
"""

import asyncio
import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmfold.adapters.live.account import day_stop
from mmfold.adapters.live.operator.pins import pin_command, unpin_command
from mmfold.adapters.logs import EventLog
from mmfold.config.errors import ConfigError
from mmfold.engine.commands import (
    FREEZE_COMMANDS,
    PIN,
    UNPIN,
    CancelCommand,
    PinCommand,
    PolicyCommand,
    ResumeCommand,
    UnpinCommand,
    parse_command,
)
from mmfold.engine.declared import params_in_words
from mmfold.engine.json_text import parse_json
from mmfold.engine.manifest import canonical_json
from mmfold.engine.params import ConfigPayloadError
from mmfold.replay.strategy.file import StrategyError

if TYPE_CHECKING:
    from mmfold.adapters.live.runner import Runner

SOCKET_NAME = "control.sock"
LINE_BYTES_MAX = 4_096
ASK_S = 5.0  # for the whole of a question
CONNECTION_COUNT_MAX = 4
MODE = 0o600
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
LOG = EventLog("control")


class Refused(Exception):
    """A command that a session does not carry out; the message says why."""


@contextmanager
def reachable(directory: Path) -> Iterator[str]:
    """Lend a short path to a session's socket.

    Raises: OSError.
    """
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET_NAME}"
    finally:
        os.close(fd)


def bind_socket(directory: Path) -> socket.socket:
    """Return the listening socket of a session whose writer lock we hold; what a killed one left is removed.

    Raises: OSError.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    with reachable(directory) as path:
        with suppress(FileNotFoundError):
            os.unlink(path)
        before = os.umask(0o777 & ~MODE)
        try:
            listening.bind(path)
        except OSError:
            listening.close()
            raise
        finally:
            os.umask(before)
    return listening


def peer_uid(connected: socket.socket) -> int:
    """Return the user at the other end of a connection."""
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return int(CREDENTIALS.unpack(told)[1])


class ControlServer:
    """Takes the commands of a running session."""

    def __init__(self, runner: "Runner") -> None:
        self.runner = runner
        self.silent: dict[asyncio.StreamWriter, None] = {}  # connections that have not asked yet, the oldest first

    async def serve(self) -> None:
        """Serve until cancelled; a session without the socket trades all the same, and says so."""
        directory = self.runner.session.directory
        try:
            listening = bind_socket(directory)
        except OSError as error:
            LOG.warning("control_unavailable", reason=str(error))
            await asyncio.get_running_loop().create_future()  # nothing to do until it is cancelled
            return
        server = await asyncio.start_unix_server(self.on_connection, sock=listening, limit=LINE_BYTES_MAX)
        try:
            await server.serve_forever()
        finally:
            with suppress(OSError), reachable(directory) as path:
                os.unlink(path)

    async def on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, for a bounded time."""
        if len(self.silent) >= CONNECTION_COUNT_MAX:  # who asks is not kept waiting by who does not
            next(iter(self.silent)).transport.abort()
        self.silent[writer] = None
        try:
            uid = peer_uid(writer.get_extra_info("socket"))
            if uid not in (os.geteuid(), 0):
                LOG.warning("control_refused", uid=uid)
                return
            async with asyncio.timeout(ASK_S):
                line = await reader.readline()
                self.silent.pop(writer, None)
                writer.write(json.dumps(await self.answer(line)).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, ValueError, OSError):
            LOG.warning("control_unclear")  # silent, too long, or gone
        finally:
            self.silent.pop(writer, None)
            writer.close()

    async def answer(self, line: bytes) -> dict[str, Any]:
        """Carry out one command and return what to say of it."""
        try:
            return {"ok": True} | await self.carry_out(line)
        except (ConfigPayloadError, ConfigError, StrategyError, OSError, Refused) as error:
            return {"ok": False, "reason": str(error)}

    async def carry_out(self, line: bytes) -> dict[str, Any]:
        """Journal and carry out a freeze or an unfreeze, a pin or its release, or what a policy is asked.

        Raises: ConfigPayloadError, ConfigError, Refused.
        """
        runner = self.runner
        if runner.is_stopping or runner.failure is not None:
            raise Refused("the session ends")
        asked = parse_command(await self.in_params(line), runner.session.manifest)
        if isinstance(asked, CancelCommand | ResumeCommand):
            raise Refused("a session takes freeze and unfreeze, pin and unpin, and what its policies take")
        if isinstance(asked, PolicyCommand):
            runner.session.core.lane.check_command(runner.session.core.state, asked)
            return await self.tell({"policy": asked.policy, **asked.document})
        if isinstance(asked, PinCommand):
            return await self.tell({"command": PIN, "params": asked.values, "symbol": asked.symbol})
        if isinstance(asked, UnpinCommand):
            return await self.tell({"command": UNPIN, "params": asked.names, "symbol": asked.symbol})
        command = FREEZE_COMMANDS[asked.frozen]
        for symbol in asked.symbols:
            if command == "unfreeze" and (reason := runner.status.unexplained.get(symbol)) is not None:
                raise Refused(f"{symbol} is kept flat: {reason}")
        for symbol in asked.symbols:
            LOG.warning("control_command", command=command, symbol=symbol)
            runner.status.behind.discard(symbol)  # from here on it is as a person said
            await runner.command({"command": command, "symbol": symbol})
        if command == "unfreeze" and "symbol" not in parse_json(line):
            await day_stop.lift(runner)
        if runner.failure is not None:
            raise Refused("the session failed")
        return {"command": command, "symbols": asked.symbols, "seq": runner.session.seq_next - 1}

    async def in_params(self, line: bytes) -> bytes:
        """Return a command with PARAMS where a person wrote keys of the configuration: `settings` of a pin, `keys` of
        its release.

        Raises: ConfigError, Refused.
        """
        try:
            document = parse_json(line)
        except ValueError:
            return line
        manifest = self.runner.session.manifest
        if not isinstance(document, dict) or document.get("symbol") not in manifest.symbol_index():
            return line
        words = document.get("settings", document.get("keys"))
        if document.get("command") == PIN and "params" in document:
            raise Refused('a pin has "settings", each key=value of the configuration, whose ranges hold')
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            return line
        symbol = document["symbol"]
        if document.get("command") == UNPIN:
            return canonical_json(unpin_command(symbol, words))
        if self.runner.config_of is None:
            raise Refused("this session has no configuration to read a key by")
        # Off the loop: the configuration's file may be slow.
        return canonical_json(await asyncio.to_thread(pin_command, symbol, words, self.runner.config_of, manifest))

    async def tell(self, document: dict[str, Any]) -> dict[str, Any]:
        """Journal and carry out a command that was checked, and return what to say of it.

        Raises: Refused.
        """
        runner, shown = self.runner, dict(document)
        if "params" in document:
            keys, params = params_in_words(runner.session.manifest.extra), document["params"]
            named = [keys.get(name, name) for name in params]
            shown["params"] = dict(zip(named, params.values(), strict=True)) if isinstance(params, dict) else named
        LOG.warning("control_command", **shown)
        await runner.command(document)
        if runner.failure is not None:
            raise Refused("the session failed")
        return {**shown, "seq": runner.session.seq_next - 1}
