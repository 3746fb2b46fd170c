from pathlib import Path

from shoal.site.nic_counters import sent_bytes

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask
ens5\t00000000\t0101000A\t0003\t0\t0\t100\t00000000
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF
"""
DEVICES = """Inter-|   Receive                            |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo: 900 9 0 0 0 0 0 0 900 9 0 0 0 0 0 0
  ens5: 111 1 0 0 0 0 0 0 7777 5 0 0 0 0 0 0
docker0: 5 1 0 0 0 0 0 0 55 5 0 0 0 0 0 0
"""


def test_only_interfaces_with_a_default_route_count(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTES)
    (tmp_path / "dev").write_text(DEVICES)
    assert sent_bytes(tmp_path) == 7777


def test_missing_or_malformed_files_give_none(tmp_path: Path) -> None:
    assert sent_bytes(tmp_path) is None
    (tmp_path / "route").write_text(ROUTES.splitlines()[0])
    (tmp_path / "dev").write_text(DEVICES)
    assert sent_bytes(tmp_path) is None
    (tmp_path / "route").write_text(ROUTES)
    (tmp_path / "dev").write_text("a\nb\nens5: 1 2\n")
    assert sent_bytes(tmp_path) is None
