"""Asks a running session for something by its control socket; must never ask a process that is no session of ours."""

import json
import os
import socket
from pathlib import Path
from typing import Any

from mmfold.adapters.live.operator.control import LINE_BYTES_MAX, peer_uid, reachable
from mmfold.adapters.live.operator.stopping import find_writer

ANSWER_S = 10.0
ANSWER_BYTES_MAX = 1 << 16
HINT = "give the --journal of a running mm live"
CLOSED_HINT = "it ends, has too many askers, or runs as another user; its log says which (control_...): try again"


class CannotAsk(Exception):
    """A session that cannot be asked, or that refused."""

    def __init__(self, message: str, hint: str = HINT) -> None:
        super().__init__(message)
        self.hint = hint


def ask_session(directory: Path, command: str, symbol: str | None, **more: Any) -> dict[str, Any]:
    """Have the session that writes a journal carry out a command and return what it says.

    Raises: CannotStop when nothing of mm writes there, CannotAsk, OSError.
    """
    _, pidfd = find_writer(directory)
    os.close(pidfd)
    document = {"command": command} | ({} if symbol is None else {"symbol": symbol}) | more
    answer = exchange(directory, json.dumps(document).encode() + b"\n")
    if not answer.get("ok"):
        reason = answer.get("reason", "it said nothing")
        raise CannotAsk(f"the session refused: {reason}", f"look at it: mm top --events {directory}")
    return answer


def exchange(directory: Path, line: bytes) -> dict[str, Any]:
    """Send one line and return the answer.

    Raises: CannotAsk.
    """
    if len(line) > LINE_BYTES_MAX:
        raise CannotAsk("the command is too long")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking, reachable(directory) as path:
        asking.settimeout(ANSWER_S)
        try:
            asking.connect(path)
            if peer_uid(asking) not in (os.geteuid(), 0):
                raise CannotAsk(f"the socket in {directory} is another user's")
            asking.sendall(line)
            with asking.makefile("rb") as told:
                line = told.readline(ANSWER_BYTES_MAX)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise CannotAsk(
                f"what runs on {directory} takes no commands: a recording, or a session at its ends"
            ) from error
        except ConnectionError:
            line = b""
        except TimeoutError as error:
            raise CannotAsk(f"the session on {directory} gave no answer within {ANSWER_S:g} s") from error
    if not line:
        raise CannotAsk(f"the session on {directory} closed the connection without an answer", CLOSED_HINT)
    try:
        answer = json.loads(line)
    except ValueError as error:
        raise CannotAsk(f"the session on {directory} gave an answer that is none: {line[:40]!r}") from error
    return answer if isinstance(answer, dict) else {}
