import os
import socket
import subprocess
import sys

from shoal.local import ports


def test_a_port_in_use_is_detected_with_its_owner() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not ports.is_free(port)
        owner = ports.owner(port)
        assert owner is not None
        assert owner.endswith(f"(pid {os.getpid()})")
    assert ports.is_free(port)
    assert ports.owner(port) is None


def test_a_port_that_is_free_again_is_reused() -> None:
    first = ports.free_ports(["a", "b"], {})
    assert len(set(first.values())) == 2
    assert ports.free_ports(["a", "b"], first) == first


def test_a_remembered_port_in_use_is_replaced() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        busy = server.getsockname()[1]
        chosen = ports.free_ports(["a"], {"a": busy})
    assert chosen["a"] != busy


def test_two_names_never_share_a_port() -> None:
    free = ports.free_ports(["a"], {})["a"]
    chosen = ports.free_ports(["a", "b"], {"a": free, "b": free})
    assert chosen["a"] == free
    assert chosen["b"] != free


def test_two_stations_that_start_together_never_share_a_port() -> None:
    mine = ports.free_ports(["a"], {})
    code = f"from shoal.local.ports import free_ports; print(free_ports(['a'], {mine})['a'])"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    # nobody listens there yet
    assert ports.is_free(mine["a"])
    assert int(other.stdout) != mine["a"]
