"""A simulator and a relay of their own, each on its core, with one kind of audience in the store."""

import http.client
import json
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/end_to_end"))

# pylint: disable=wrong-import-position
from conditions import DeadlinePassed, eventually  # noqa: E402
from program import Program  # noqa: E402
from simulator import BUNDLE_ID, PROJECT, free_port  # noqa: E402

import machine  # noqa: E402
from progress import say  # noqa: E402

BINARIES = ROOT / "build/release/bin"
CLIENT_EMAIL = "push@carillon.example"
SEED = 7
PORT_ATTEMPTS = 5
TOPIC = "everyone"
CHECKPOINT_INTERVAL_MS = 50  # the relay's default; what is printed is what it is told
LOOK_S = 0.25  # who waits for an event looks up at least as often
# Device populations: what h2load does at once for APNs and FCM together is 55:45, as in the mix.
MIXES = {"apns": "apns:100", "fcm": "fcm:100", "mix": "apns:55,fcm:45", "webpush": "webpush:100"}


class World:
    """Started by the constructor; `stop` ends both programs. The folder is the caller's."""

    def __init__(self, folder, case, devices, settings, under=(), fanout=None,
                 with_relay=True, journal_mib=1024):
        """`under`: what the relay runs under, as callgrind; `fanout`: keys of its config."""
        self.folder = folder
        self._under = list(under)
        self._journal_mib = journal_mib
        self._fanout = {"checkpoint_interval_ms": CHECKPOINT_INTERVAL_MS, **(fanout or {})}
        self.case = case
        self.devices = devices
        self.settings = settings
        self._connection = None
        self._programs = []
        self.credentials = folder / "credentials"
        try:
            self._start_simulator_somewhere()
            if with_relay:
                self._configure_relay()
                self._import_devices()
                self._start_relay()
        except BaseException:
            self.stop()
            raise

    @property
    def token_uri(self):
        return f"https://127.0.0.1:{self.fcm_port}/token"

    def streams(self, platform):
        return self.settings.streams_apns if platform == "apns" else self.settings.streams_fcm

    def port(self, platform):
        return self.apns_port if platform == "apns" else self.fcm_port

    # --- starting

    def _start(self, name, core, command):
        program = Program(name, machine.pinned(core, command))
        self._programs.append(program)
        return program

    def _start_simulator_somewhere(self):
        """Its FCM port is part of the service account, so it is picked before; somebody may take it."""
        for attempts_left in range(PORT_ATTEMPTS - 1, -1, -1):
            self.fcm_port = free_port()
            shutil.rmtree(self.credentials, ignore_errors=True)
            subprocess.run([ROOT / "deploy/credentials", self.credentials, "--token-uri",
                            self.token_uri], check=True, stdout=subprocess.DEVNULL)
            try:
                return self._start_simulator()
            except DeadlinePassed:
                if self.simulator.running or attempts_left == 0:
                    raise
                self._programs.remove(self.simulator)
                self.simulator.stop()

    def _start_simulator(self):
        config = self.folder / "device-sim.toml"
        config.write_text(f"""
threads = 1
[tls]
certificate = "{self.credentials}/server.pem"
key = "{self.credentials}/server-key.pem"
[apns]
listen = "127.0.0.1:0"
topics = ["{BUNDLE_ID}"]
max_concurrent_streams = {self.settings.streams_apns}
[[apns.keys]]
key_id = "SIMKEY0001"
team_id = "SIMTEAM001"
public_key = "{self.credentials}/apns-public.pem"
[fcm]
listen = "127.0.0.1:{self.fcm_port}"
project = "{PROJECT}"
client_email = "{self.service_account['client_email']}"
public_key = "{self.credentials}/fcm-public.pem"
token_uri = "{self.token_uri}"
max_concurrent_streams = {self.settings.streams_fcm}
{self._simulated_webpush()}
[control]
listen = "127.0.0.1:0"
[population]
devices = {self.devices}
seed = {SEED}
mix = "{MIXES[self.case]}"
[journal]
events_max = 200000
memory_mib_max = {self._journal_mib}
""")
        self.simulator = self._start("device-sim", self.settings.simulator_core,
                                     [BINARIES / "device-sim", "serve", "--config", config])
        def listens(name):
            return int(self.simulator.wait_for_line(rf"^{name} listening on \S*:(\d+)").group(1))

        self.apns_port, self.control_port = listens("apns"), listens("control")
        self.webpush_port = listens("webpush") if self.case == "webpush" else None
        self.simulator.wait_for_line(r"^ready")
        if self.settings.rtt_ms:
            self.simulated("PUT", "/sim/faults", {"latency_ms": self.settings.rtt_ms})

    def _simulated_webpush(self):
        return "" if self.case != "webpush" else f"""
[webpush]
listen = "127.0.0.1:0"
public_key = "{self.credentials}/vapid-public.pem"
max_concurrent_streams = {self.settings.streams_webpush}"""

    @property
    def service_account(self):
        return json.loads((self.credentials / "service-account.json").read_text())

    def _configure_relay(self):
        self.relay_config = self.folder / "carillon.toml"
        self.relay_config.write_text(f"""
[http]
listen = "127.0.0.1:0"
[store]
path = "{self.folder}/carillon.db"
[fanout]
{chr(10).join(f"{key} = {value}" for key, value in self._fanout.items())}
[apps.video.apns]
endpoint = "https://127.0.0.1:{self.apns_port}"
ca_file = "{self.credentials}/ca.pem"
key_file = "{self.credentials}/apns.p8"
key_id = "SIMKEY0001"
team_id = "SIMTEAM001"
bundle_id = "{BUNDLE_ID}"
connections_max = {self.settings.connections}
streams_max = {self.settings.streams_apns}
[apps.video.fcm]
endpoint = "https://127.0.0.1:{self.fcm_port}"
ca_file = "{self.credentials}/ca.pem"
service_account_file = "{self.credentials}/service-account.json"
connections_max = {self.settings.connections}
streams_max = {self.settings.streams_fcm}
{self._webpush()}
""")

    def _webpush(self):
        return "" if self.case != "webpush" else f"""
[apps.video.webpush]
vapid_key_file = "{self.credentials}/vapid.pem"
subject = "mailto:push@example.com"
origins = ["127.0.0.1:{self.webpush_port}"]
allow_private_addresses = true
ca_file = "{self.credentials}/ca.pem"
connections_max = {self.settings.connections}
streams_max = {self.settings.streams_webpush}"""

    def device_lines(self, count, stdout=subprocess.PIPE):
        """The process that prints the first `count` devices as import lines."""
        return subprocess.Popen(
            [BINARIES / "device-sim", "devices", "--count", str(count), "--seed", str(SEED),
             "--mix", MIXES[self.case], "--app", "video", "--topic", TOPIC,
             *(["--webpush-origin", f"https://127.0.0.1:{self.webpush_port}"]
               if self.case == "webpush" else [])],
            stdout=stdout, stderr=subprocess.DEVNULL)

    def _import_devices(self):
        say(f"importing {self.devices:,} devices ({self.case})")
        devices = self.device_lines(self.devices)
        imported = subprocess.run(
            [BINARIES / "carillon", "import", "--config", self.relay_config, "-"],
            stdin=devices.stdout, capture_output=True, text=True, check=False)
        devices.stdout.close()
        if devices.wait() != 0 or imported.returncode != 0:
            raise RuntimeError(f"the import failed: {imported.stderr}{imported.stdout}")

    def _start_relay(self):
        made = subprocess.run(
            [BINARIES / "carillon", "keys", "create", "--config", self.relay_config,
             "--name", "bench", "--scopes", "publish,subscribe,admin"],
            capture_output=True, text=True, check=True)
        self.key = made.stdout.strip()
        self.relay = self._start("carillon", self.settings.sender_core,
                                 [*self._under, BINARIES / "carillon", "serve", "--config",
                                  self.relay_config])
        self.relay.wait_for_line(r"^ready", within_s=120)
        self.relay_port = int(self.relay.wait_for_line(
            r"^carillon .*http://127\.0\.0\.1:(\d+)").group(1))

    def stop(self):
        if self._connection is not None:
            self._connection.close()
        for program in reversed(self._programs):
            program.stop(within_s=60)

    # --- asking

    def ask(self, method, path, body=None):
        """The relay's answer as JSON, over one connection that is kept."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.relay_port, timeout=60)
        headers = {"Authorization": f"Bearer {self.key}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # Silent for longer than the relay keeps connections; nothing was processed.
            self._connection.close()
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 202):
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:500]!r}")
        return json.loads(content)

    def simulated(self, method, path, body=None):
        """The simulator's answer as JSON; None: it knows nothing of it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"} if body is not None else {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status == 404:
            return None
        if answer.status not in (200, 204):
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:500]!r}")
        return json.loads(content) if content else None

    def wait_until_completed(self, event, expected, likely_s=0.0, pause_s=0.004, within_s=600,
                             meanwhile=None):
        """The event's document when it is over. Questions cost the relay some 0.1 ms each, a percent
        of what 10,000 notifications do: none before most of `likely_s`, then the later the denser.
        `meanwhile` is called at least every `LOOK_S`."""
        began = time.monotonic()
        self._pause(0.9 * likely_s, meanwhile)
        while True:
            document = self.ask("GET", f"/v1/events/{event}")
            if document["state"] == "completed":
                return document
            waited = time.monotonic() - began
            if waited > within_s:
                raise RuntimeError(f"the event did not complete: {document}\n{self.relay.output()}")
            done = document["counters"]["accepted"]
            left_s = (expected - done) / done * waited if done else 0.02
            self._pause(max(pause_s, min(LOOK_S, max(0.02 * waited, 0.8 * left_s))), meanwhile)

    @staticmethod
    def _pause(seconds, meanwhile):
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            time.sleep(min(left_s, LOOK_S))
            if meanwhile:
                meanwhile()

    def wait_for_receipts(self, expected, within_s=120):
        """Until the simulator has accepted as many APNs pushes since it started; more is an error."""
        seen = eventually(
            lambda: (count := self.simulated("GET", "/sim/stats")["apns"]["accepted"]) >= expected
            and count, within_s, f"the simulator accepts {expected} pushes", every_s=0.1)
        if seen > expected:
            raise RuntimeError(f"{expected} pushes, the simulator accepted {seen}")
