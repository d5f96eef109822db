"""Ports and addresses of this machine."""

import socket

import pytest

from mmfold.adapters.cli.errors import hint_of, is_user_error, message_of
from mmfold.adapters.ports import PortError, is_loopback, take_port


@pytest.mark.parametrize(
    ("host", "own"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True),
     ("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("mm.example", False), ("", False)],
)  # fmt: skip
def test_own_addresses(host: str, own: bool) -> None:
    assert is_loopback(host) == own


def test_a_port_is_taken_once() -> None:
    with take_port("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError) as caught:
            take_port("127.0.0.1", port)
    assert is_user_error(caught.value)
    assert message_of(caught.value) == f"port {port} of 127.0.0.1: Address already in use"
    assert f":{port}" in hint_of(caught.value) and "another port" in hint_of(caught.value)
    with socket.create_server(("127.0.0.1", port)):
        pass  # it is free again


def test_an_address_of_another_machine_is_refused_with_a_next_step() -> None:
    with pytest.raises(PortError, match=r"port 0 of 192\.0\.2\.1") as caught:
        take_port("192.0.2.1", 0)
    assert "127.0.0.1" in hint_of(caught.value)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(PortError, match="port 0 of no host"):
        take_port("no host", 0)
