"""The channel `exec`: a user's program, run without a shell, the alert on its stdin; must never outlive its time.

The program gets no secret: nothing of the alert stands in its arguments, and of the environment it gets what KEPT names
and what begins with ALERT_. It has a session of its own, so Ctrl-C does not reach it; when it ends or its time is over,
whatever it left running in its process group is killed.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mmfold.adapters.alerts.channel import Attempt

KEPT = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER", "XDG_RUNTIME_DIR",
        "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY")  # fmt: skip
KEPT_PREFIX = "ALERT_"
STDIN_BYTES_MAX = 60_000  # fits into a pipe, so that nobody waits for a program that does not read
TOLD_BYTES_MAX = 2_000  # of what it says on stderr: the rest is read and forgotten
READ_BYTES = 1 << 16


def kept_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a program gets of an environment."""
    return {name: value for name, value in environ.items() if name in KEPT or name.startswith(KEPT_PREFIX)}


@dataclass(frozen=True)
class Program:
    """A program with its words; the first is the path of a file that can be run."""

    words: tuple[str, ...]
    timeout_s: float
    name = "exec"

    def setup(self) -> dict[str, Any]:
        """Return what the courier makes it of again."""
        return {"timeout_s": self.timeout_s, "words": list(self.words)}

    async def attempt(self, data: bytes) -> Attempt:
        """Run it once."""
        assert len(data) <= STDIN_BYTES_MAX
        stdin, told = Filled(data), Heard()
        try:
            process = await asyncio.create_subprocess_exec(
                *self.words, stdin=stdin.fd, stdout=asyncio.subprocess.DEVNULL, stderr=told.write_fd,
                start_new_session=True, env=kept_environment(os.environ),
            )  # fmt: skip
        except (OSError, ValueError) as error:
            told.close()
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            return Attempt(f"cannot be run: {reason}", is_final=True)
        except BaseException:
            told.close()
            raise
        finally:
            stdin.close()
            told.begin()
        try:
            code = await asyncio.wait_for(process.wait(), self.timeout_s)
        except TimeoutError:
            return Attempt(f"has not ended within {self.timeout_s:g} s")
        finally:
            with suppress(ProcessLookupError, PermissionError):  # all of its group are gone, or are another user's
                os.killpg(process.pid, signal.SIGKILL)
            told.close()
            await process.wait()
        if code == 0:
            return Attempt()
        return Attempt(f"exit code {code}" + (f": {told.text()}" if told.text() else ""))


class Filled:
    """A pipe that holds all that will come: a program may read it or not."""

    def __init__(self, data: bytes) -> None:
        self.fd, write_fd = os.pipe()
        try:
            os.set_blocking(write_fd, False)
            written = os.write(write_fd, data)
            assert written == len(data), "a pipe has less room than any system gives"
        finally:
            os.close(write_fd)

    def close(self) -> None:
        """Close our end of it."""
        os.close(self.fd)


class Heard:
    """The first bytes of what a program says; the rest is read all the same, so that it never waits for a reader."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        self.kept = bytearray()
        self.is_open = True

    def begin(self) -> None:
        """Read from now on; the program alone holds the other end."""
        os.close(self.write_fd)
        if self.is_open:
            asyncio.get_running_loop().add_reader(self.read_fd, self.read)

    def read(self) -> None:
        """Take what is there."""
        data = b""
        with suppress(BlockingIOError):
            data = os.read(self.read_fd, READ_BYTES)
            if not data:
                asyncio.get_running_loop().remove_reader(self.read_fd)
        self.kept += data[: TOLD_BYTES_MAX - len(self.kept)]

    def close(self) -> None:
        """Read what is left and no more."""
        if self.is_open:
            self.is_open = False
            self.read()
            asyncio.get_running_loop().remove_reader(self.read_fd)
            os.close(self.read_fd)

    def text(self) -> str:
        """Return its last line."""
        lines = self.kept.decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""
