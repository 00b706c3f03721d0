"""The socket the deck listens on."""

import socket

import pytest

from daemons.cli.exits import CommandError
from daemons.cli.listening import address_of, listening


def test_port_zero_takes_a_free_port_and_tells_it() -> None:
    with listening("127.0.0.1", 0) as listener:
        host, port = address_of(listener)

        assert host == "127.0.0.1"
        assert port > 0
        with socket.create_connection((host, port)):
            pass


def test_a_taken_port_is_a_temporary_failure_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(CommandError) as refused, listening("127.0.0.1", port):
            pass

    assert refused.value.exit_code == 75
    assert str(port) in refused.value.message
    assert "--port 0" in (refused.value.remedy or "")


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_a_wrong_setting(host: str) -> None:
    with pytest.raises(CommandError) as refused, listening(host, 0):
        pass

    assert refused.value.exit_code == 78
    assert host in refused.value.message


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]")])
def test_a_link_holds_an_address_that_can_be_opened(host: str, shown: str) -> None:
    try:
        with listening(host, 0) as listener:
            assert address_of(listener)[0] == shown
    except CommandError:
        pytest.skip("this machine has no IPv6")
