"""The host after a deployment: sockets, users, modes, secrets, firewall, hardening."""

import json
import re
import shlex
import time
from typing import Any
from urllib.parse import urlencode

import pytest
import testinfra

from tests.ansible.conftest import ADDRESS, OUTSIDE, STREAM_KEY
from tests.ansible.host import ANSIBLE, HERE, ROOT, Host, opens

SERVICES = ("owncast", "shoal-broadcaster", "shoal-signaling", "shoal-site", "cloudflared")
LOOPBACK = (3000, 8000, 8080, 8081, 9090, 9100, 20241)
USERS = ("owncast", "shoal-broadcaster", "shoal-signaling", "shoal-site")
MAX_EXPOSURE = 2.0
SCRAPE_S = 15
STRANGER = OUTSIDE["stranger"].partition("/")[0]
OPERATOR = OUTSIDE["operator"].partition("/")[0]

WITHOUT_TOKEN = """
import http.client
connection = http.client.HTTPConnection("127.0.0.1", 8081, timeout=10)
handshake = {"Connection": "upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
handshake["Sec-WebSocket-Key"] = "A" * 22 + "=="
connection.request("GET", "/broadcaster", headers=handshake)
print(connection.getresponse().status)
"""

Inspected = Any
"""testinfra's Host, whose modules have no types"""


@pytest.fixture(scope="session")
def inspected(origin: Host) -> Inspected:
    """The host as testinfra's object."""
    config = str(origin.folder / "ssh_config")
    return testinfra.get_host(f"ssh://{ADDRESS}", ssh_config=config, sudo=True)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_and_has_never_been_restarted(inspected: Inspected, name: str) -> None:
    service = inspected.service(name)
    assert service.is_running
    assert service.is_enabled
    properties = service.systemd_properties
    assert properties["NRestarts"] == "0"
    assert properties["ProtectSystem"] == "strict"
    if name != "owncast":
        assert properties["Type"] == "notify"
        assert properties["StatusText"]
    if name.startswith("shoal-"):
        assert properties["WatchdogUSec"] == "30s"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_sandboxed(origin: Host, name: str) -> None:
    assert origin.run(f"systemd-analyze verify --man=no {name}.service 2>&1") == ""
    report = origin.run(f"systemd-analyze security --no-pager {name}.service", check=False)
    score = re.search(r"Overall exposure level for \S+: ([0-9.]+)", report)
    assert score is not None
    assert float(score[1]) <= MAX_EXPOSURE, report


@pytest.mark.parametrize("name", USERS)
def test_a_services_user_cannot_log_in(inspected: Inspected, name: str) -> None:
    user = inspected.user(name)
    assert user.shell == "/usr/sbin/nologin"
    assert user.uid < 1000


def test_only_ssh_and_rtmp_listen_on_public_addresses(inspected: Inspected) -> None:
    for port in LOOPBACK:
        assert inspected.socket(f"tcp://127.0.0.1:{port}").is_listening
    world = {
        socket
        for socket in inspected.socket.get_listening_sockets()
        if socket.startswith("tcp") and "127.0.0.1" not in socket and "[::1]" not in socket
    }
    ports = {int(socket.rpartition(":")[2]) for socket in world if "::1" not in socket}
    assert ports == {22, 1935}, world


def test_the_firewall_admits_the_operator_only(origin: Host) -> None:
    assert opens(ADDRESS, 22, OPERATOR)
    assert opens(ADDRESS, 1935, OPERATOR)
    assert not opens(ADDRESS, 22, STRANGER)
    assert not opens(ADDRESS, 1935, STRANGER)
    # a port that listens on all addresses by mistake is still closed
    origin.run("systemd-run --unit=mistake python3 -m http.server 4444")
    try:
        assert not opens(ADDRESS, 4444, OPERATOR)
    finally:
        origin.run("systemctl stop mistake")


def test_files_have_safe_owners_and_modes(inspected: Inspected) -> None:
    expected = {
        "/run/hls": ("owncast", "hls", 0o2750),
        "/var/lib/owncast": ("owncast", "owncast", 0o700),
        "/var/lib/owncast/data": ("owncast", "owncast", 0o700),
        "/var/lib/owncast/data/owncast.db": ("owncast", "owncast", 0o600),
        "/var/lib/shoal/broadcaster": ("shoal-broadcaster", "shoal-broadcaster", 0o700),
        "/etc/shoal/credentials": ("root", "root", 0o700),
        "/etc/shoal/credentials/join_secret": ("root", "root", 0o600),
        "/etc/cloudflared/tunnel_token": ("root", "root", 0o600),
        "/etc/owncast/admin_password": ("root", "root", 0o600),
    }
    found = {
        path: (file.user, file.group, file.mode)
        for path, file in ((path, inspected.file(path)) for path in expected)
    }
    assert found == expected


@pytest.mark.parametrize("user", ["nobody", "shoal-site", "shoal-broadcaster"])
def test_other_users_cannot_read_owncasts_database(inspected: Inspected, user: str) -> None:
    with inspected.sudo(user):
        assert inspected.run("cat /var/lib/owncast/data/owncast.db").rc != 0


def test_no_secret_is_in_an_environment_a_command_line_or_a_unit(origin: Host) -> None:
    secrets = {
        value if isinstance(value, str) else STREAM_KEY
        for name, value in origin.variables.items()
        if re.search(r"token|secret|password|stream_keys|access_key", name)
    }
    places = (
        "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n';"
        " systemctl show '*'; cat /etc/systemd/system/*.service /etc/shoal/*.env;"
        " journalctl --boot --output cat"
    )
    text = origin.run(f"({places}) | sed 's/[^[:print:]]//g'")
    # the stand-in's token is the address of the edge, which is not a secret
    hidden = secrets - {origin.variables["cloudflared_tunnel_token"]}
    assert len(hidden) >= 6
    assert [secret for secret in hidden if secret in text] == []


def test_a_service_gets_its_own_credentials_only(origin: Host) -> None:
    pid = origin.run("systemctl show --property MainPID --value shoal-site")
    folder = f"/proc/{pid}/root/run/credentials/shoal-site.service"
    assert origin.run(f"ls {folder}").split() == ["join_secret", "operator_token"]


def test_the_tunnel_runs_as_a_dynamic_user(origin: Host) -> None:
    assert origin.run("systemctl show --property DynamicUser --value cloudflared") == "yes"
    pid = origin.run("systemctl show --property MainPID --value cloudflared")
    assert int(origin.run(f"stat --format %u /proc/{pid}")) in range(61184, 65520)


def test_the_instance_role_is_unreachable(origin: Host) -> None:
    for name in SERVICES:
        denied = origin.run(f"systemctl show --property IPAddressDeny --value {name}")
        assert "169.254.169.254" in denied or "0.0.0.0/0" in denied, name


def test_owncast_has_the_operators_settings(origin: Host) -> None:
    get = "import base64,sys,urllib.request as u; r=u.Request(sys.argv[1]);"
    get += "r.add_header('Authorization','Basic '+base64.b64encode(sys.argv[2].encode()).decode());"
    get += "print(u.urlopen(r).read().decode())"
    body = origin.run(
        f'/usr/bin/python3 -c "{get}" http://127.0.0.1:8080/api/admin/serverconfig'
        f' "admin:{origin.variables["owncast_admin_password"]}"'
    )
    config = json.loads(body)
    assert [entry["key"] for entry in config["streamKeys"]] == [STREAM_KEY]
    assert config["instanceDetails"]["name"] == origin.variables["owncast_name"]
    assert config["videoSettings"]["latencyLevel"] == 1
    assert config["videoSettings"]["videoQualityVariants"][0]["videoBitrate"] == 400
    assert config["s3"]["enabled"] is False


def test_kernel_and_journal_settings_are_written(inspected: Inspected) -> None:
    sysctls = inspected.file("/etc/sysctl.d/60-shoal.conf").content_string
    assert "net.core.somaxconn = 8192" in sysctls
    assert (
        "SystemMaxUse=1G"
        in inspected.file("/etc/systemd/journald.conf.d/shoal.conf").content_string
    )
    updates = inspected.run("apt-config dump").stdout
    assert 'APT::Periodic::Unattended-Upgrade "1";' in updates


def test_journal_lines_have_their_priority(origin: Host) -> None:
    assert origin.run(f"/usr/bin/python3 -c {shlex.quote(WITHOUT_TOKEN)}") == "401"
    warned = origin.run("journalctl --unit shoal-signaling --priority warning --output json")
    line = json.loads(warned.splitlines()[-1])
    assert line["MESSAGE"].endswith("refused a broadcaster with a wrong or missing token")
    assert (line["PRIORITY"], line["SYSLOG_IDENTIFIER"]) == ("4", "shoal-signaling")
    lines = origin.run("journalctl --unit shoal-signaling --output json | grep 'listens on'")
    assert json.loads(lines.splitlines()[-1])["PRIORITY"] == "6"


def test_prometheus_scrapes_everything(origin: Host) -> None:
    jobs = {"shoal-broadcaster", "shoal-signaling", "cloudflared", "node", "prometheus"}
    deadline = time.monotonic() + 2 * SCRAPE_S  # one of them may just have restarted
    while True:
        response = json.loads(origin.get("http://localhost:9090/api/v1/targets"))
        targets = {target["labels"]["job"]: target for target in response["data"]["activeTargets"]}
        assert set(targets) == jobs
        down = {job: one["lastError"] for job, one in targets.items() if one["health"] != "up"}
        if not down or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert down == {}
    for port in (3000, 8081):  # the report shows since when each counts
        assert "\nprocess_start_time_seconds 1" in origin.get(f"http://localhost:{port}/metrics")
    rules = json.loads(origin.get("http://localhost:9090/api/v1/rules"))
    assert len(rules["data"]["groups"][0]["rules"]) >= 8


def test_the_alerts_fire_when_they_should(origin: Host) -> None:
    origin.put("/tmp/rules_test.yml", (HERE / "rules_test.yml").read_text())
    origin.run(
        "cd /tmp && cp /etc/prometheus/shoal.rules.yml . && promtool test rules rules_test.yml"
    )


def test_the_dashboard_uses_existing_metrics(origin: Host) -> None:
    dashboard = json.loads((ANSIBLE / "monitoring/grafana-dashboard.json").read_text())
    metrics = {
        kind: origin.get(f"http://localhost:{port}/metrics")
        for kind, port in (("process", 3000), ("node", 9100))
    }
    sources = "".join(path.read_text() for path in (ROOT / "services/shoal").rglob("*.py"))
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "1m")
            url = "http://localhost:9090/api/v1/query?" + urlencode({"query": query})
            assert json.loads(origin.get(url))["status"] == "success", query
            for name, kind in re.findall(r"\b((node|process)_[a-z_A-Z]+)", query):
                assert f"# TYPE {name} " in metrics[kind], name
            # some of Shoal's exist only while there are viewers
            for name in re.findall(r"\bshoal_[a-z_]+", query):
                counted = name.removesuffix("_total").removesuffix("_bucket")
                assert f'"{name}"' in sources or f'"{counted}"' in sources, name
