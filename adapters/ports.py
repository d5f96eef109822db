"""Ports of this machine: which addresses are its own, how a port is taken; must never take another one instead."""

import errno
import ipaddress
import os
import socket
from contextlib import suppress


class PortError(OSError):
    """A port that cannot be listened on, and what to do about it."""

    def __init__(self, number: int, message: str, hint: str) -> None:
        super().__init__(number, message)
        self.hint = hint


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def take_port(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes any free one.

    Raises: PortError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        number = error.errno or 0
        message = f"port {port} of {host}: {error.strerror if number < 0 else os.strerror(number)}"
        raise PortError(number, message, port_hint(number, port)) from error


def port_hint(number: int, port: int) -> str:
    """Return what to do when a port cannot be had."""
    if number == errno.EADDRINUSE:
        return f"another process has it (ss -ltnp 'sport = :{port}' names it): stop that one, or choose another port"
    if number in (errno.EACCES, errno.EPERM):
        return "ports below 1024 are the system's: choose a higher port"
    return "check the address: it must be one of this machine's own, such as 127.0.0.1"
