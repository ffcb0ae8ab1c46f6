"""A carillon process with its config, its store and a key to its API."""

import contextlib
import http.client
import json
import os
import signal
import subprocess

from program import Program, run_to_end
from simulator import BUNDLE_ID

# What the tests count on, written into the config rather than taken from its defaults.
REPEAT_BOUND = 16_384


class Answer:
    def __init__(self, status, headers, content):
        self.status = status
        self.headers = headers
        self.content = content

    @property
    def json(self):
        return json.loads(self.content)

    def __repr__(self):
        return f"{self.status} {self.content[:500]!r}"


class Relay:
    """Configured by the constructor, running from `start` on."""

    def __init__(self, program_file, directory, credentials, simulator, port, fanout=None,
                 providers=None, environment=None):
        """`fanout`: keys of [fanout]; `providers`: keys of both APNs and FCM."""
        self._program_file = program_file
        self._program = None
        self._environment = environment
        self.directory = directory
        self.port = port
        self.config = directory / "carillon.toml"
        self.store = directory / "carillon.db"
        self.key = None
        limits = {"repeat_bound": REPEAT_BOUND, **(fanout or {})}
        limits_text = "\n".join(f"{name} = {value}" for name, value in limits.items())
        providers_text = "\n".join(f"{name} = {value}" for name, value in (providers or {}).items())
        self.config.write_text(f"""
[http]
listen = "127.0.0.1:{self.port}"

[store]
path = "{self.store}"

[fanout]
{limits_text}

[apps.video.apns]
endpoint = "https://127.0.0.1:{simulator.apns_port}"
ca_file = "{credentials}/ca.pem"
key_file = "{credentials}/apns.p8"
key_id = "SIMKEY0001"
team_id = "SIMTEAM001"
bundle_id = "{BUNDLE_ID}"
{providers_text}

[apps.video.fcm]
endpoint = "https://127.0.0.1:{simulator.fcm_port}"
ca_file = "{credentials}/ca.pem"
service_account_file = "{credentials}/service-account.json"
{providers_text}

[apps.video.webpush]
vapid_key_file = "{credentials}/vapid.pem"
subject = "mailto:push@example.com"
origins = ["127.0.0.1:{simulator.webpush_port}"]
allow_private_addresses = true
ca_file = "{credentials}/ca.pem"
""")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    # --- the programs

    def command(self, *arguments, within_s=120, environment=None):
        """(exit code, output) of another carillon command with this config."""
        return run_to_end(f"carillon {arguments[0]}",
                          [self._program_file, arguments[0], "--config", self.config, *arguments[1:]],
                          environment, within_s)

    def client(self, *arguments, within_s=120):
        """(exit code, output) of a command that talks to the running relay."""
        environment = {**os.environ, "CARILLON_URL": self.url, "CARILLON_API_KEY": self.key}
        return run_to_end(f"carillon {arguments[0]}", [self._program_file, *arguments], environment,
                          within_s)

    def create_key(self, scopes="publish,subscribe,admin", name="tests"):
        made = subprocess.run(
            [str(self._program_file), "keys", "create", "--config", str(self.config),
             "--name", name, "--scopes", scopes],
            capture_output=True, text=True, timeout=30, check=False)
        if made.returncode != 0:
            raise AssertionError(f"carillon keys create: {made.stderr}")
        return made.stdout.strip()

    def start(self, environment=None):
        """`environment`: from now on, in place of the one it was made with."""
        self._environment = environment or self._environment
        self._program = self.spawn()
        self._program.wait_for_line(r"^ready")
        return self

    def spawn(self):
        """Starts to serve and does not wait for it."""
        return Program("carillon serve", [self._program_file, "serve", "--config", self.config],
                       self._environment)

    def kill(self):
        self._program.kill()

    def drain(self, within_s=30):
        """SIGTERM; the exit code."""
        self._program.send_signal(signal.SIGTERM)
        return self._program.wait(within_s)

    def reread(self):
        """SIGHUP."""
        self._program.send_signal(signal.SIGHUP)

    @property
    def pid(self):
        return self._program.pid

    def lines(self):
        """All that it has said, also on stderr."""
        return self._program.lines()

    def output(self):
        return self._program.output()

    def stop(self):
        if self._program is not None:
            self._program.stop()

    def resident_peak_mib(self):
        with open(f"/proc/{self._program.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        raise AssertionError("no VmHWM")

    def thread_names(self):
        names = set()
        for task in os.listdir(f"/proc/{self._program.pid}/task"):
            # A thread may end between the listing and the look at it.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{self._program.pid}/task/{task}/comm", encoding="ascii") as name:
                    names.add(name.read().strip())
        return names

    # --- the API

    def request(self, method, path, body=None, key=None, headers=None, within_s=30):
        """`body`: bytes as they are, anything else as JSON. `key`: "" sends none."""
        sent = dict(headers or {})
        key = self.key if key is None else key
        if key:
            sent["Authorization"] = f"Bearer {key}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=within_s)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def publish(self, body, idempotency_key=None):
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self.request("POST", "/v1/events", body, headers=headers)

    def event(self, event):
        answer = self.request("GET", f"/v1/events/{event}")
        if answer.status != 200:
            raise AssertionError(f"GET event: {answer}")
        return answer.json

    def metric(self, name, **labels):
        """A metric's samples with these labels, added up."""
        lines = self.request("GET", "/metrics", key="").content.decode().splitlines()
        samples = [float(line.rsplit(" ", 1)[1]) for line in lines
                   if line.startswith((name + " ", name + "{"))
                   and all(f'{label}="{value}"' in line for label, value in labels.items())]
        if not samples:
            raise AssertionError(f"no {name} with {labels} in /metrics")
        return sum(samples)

    def events(self):
        return self.request("GET", "/v1/events").json["events"]
