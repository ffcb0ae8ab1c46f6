"""The platforms and the phones: a device-sim process, told and asked over its control port."""

import json
import signal
import socket
import subprocess
import urllib.request

from program import Program

BUNDLE_ID = "com.example.video"
PROJECT = "carillon-sim"
# A message to a browser costs both sides some 0.1 ms of arithmetic: few of them say as much as many.
MIX = "apns:54,fcm:44,webpush:2"


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class HeldPort:
    """A port that the system gives to nobody else until `close`.

    For what must be known before the process that listens there starts: the address of the token
    service is part of the service account, and a relay has to come back where it was. The socket is
    bound and never listens: who names the port, and has SO_REUSEADDR as this has, may listen there.
    """

    def __init__(self):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = self._socket.getsockname()[1]

    def close(self):
        self._socket.close()


class Simulator:
    def __init__(self, program_file, directory, credentials, devices, seed, fcm_port, mix=MIX,
                 topics=(BUNDLE_ID,), apns_keys=None, environment=None, apns=""):
        """`apns_keys`: those that Apple knows, public keys' files by key id; `apns`: more lines of
        its section, where {credentials} is the folder."""
        self._program_file = program_file
        self.seed = seed
        self.mix = mix
        self.fcm_port = fcm_port
        config = directory / "device-sim.toml"
        keys = "\n".join(
            f"""[[apns.keys]]
key_id = "{key_id}"
team_id = "SIMTEAM001"
public_key = "{file}"
""" for key_id, file in (apns_keys or {"SIMKEY0001": f"{credentials}/apns-public.pem"}).items())
        config.write_text(f"""
[tls]
certificate = "{credentials}/server.pem"
key = "{credentials}/server-key.pem"

[apns]
listen = "127.0.0.1:0"
topics = {json.dumps(list(topics))}
{apns.format(credentials=credentials)}
{keys}

[fcm]
listen = "127.0.0.1:{fcm_port}"
project = "{PROJECT}"
client_email = "relay@carillon-sim.iam.gserviceaccount.com"
public_key = "{credentials}/fcm-public.pem"
token_uri = "https://127.0.0.1:{fcm_port}/token"

[webpush]
listen = "127.0.0.1:0"
public_key = "{credentials}/vapid-public.pem"

[control]
listen = "127.0.0.1:0"

[population]
devices = {devices}
seed = {seed}
mix = "{mix}"
""")
        self._program = Program("device-sim", [program_file, "serve", "--config", config], environment)
        try:
            self.apns_port = self._port("apns")
            self._port("fcm")
            self.webpush_port = self._port("webpush")
            self.control_port = self._port("control")
            self._program.wait_for_line(r"^ready")
        except BaseException:
            self._program.stop()
            raise

    def _port(self, listener):
        return int(self._program.wait_for_line(rf"^{listener} listening on \S*:(\d+)").group(1))

    def stop(self):
        self.thaw()
        self._program.stop()

    def freeze(self):
        """It answers nobody and closes nothing until `thaw`."""
        self._program.send_signal(signal.SIGSTOP)

    def thaw(self):
        if self._program.running:
            self._program.send_signal(signal.SIGCONT)

    def write_devices(self, path, count, topics=("channel-42",)):
        """Devices 1 to `count` as import lines."""
        command = [self._program_file, "devices", "--count", str(count), "--seed", str(self.seed),
                   "--mix", self.mix, "--app", "video",
                   "--webpush-origin", f"https://127.0.0.1:{self.webpush_port}"]
        for topic in topics:
            command += ["--topic", topic]
        with open(path, "wb") as lines:
            subprocess.run([str(part) for part in command], stdout=lines, check=True)

    def _ask(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.control_port}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"} if body is not None else {})
        with urllib.request.urlopen(request, timeout=10) as response:
            content = response.read()
        return json.loads(content) if content else None

    def event(self, event):
        """received, unique_devices, duplicates, shown_twice, by_platform; zeros if never seen."""
        try:
            return self._ask("GET", f"/sim/events/{event}")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return {"received": 0, "unique_devices": 0, "duplicates": 0, "shown_twice": 0}

    def add_phones(self, count, platform):
        """Phones with an inbox, beyond the population: device, subscriber, token or subscription."""
        return self._ask("POST", "/sim/phones", {"count": count, "platform": platform})["phones"]

    def set_online(self, device, online):
        self._ask("POST", f"/sim/devices/{device}", {"online": online})

    def inbox(self, device):
        return self.device(device)["inbox"]

    def device(self, device):
        """Its state, and its latest notifications."""
        return self._ask("GET", f"/sim/devices/{device}")

    def channels(self):
        """Broadcast channels of the app by id: storage_policy, broadcasts, latest."""
        return self._ask("GET", f"/sim/channels/{BUNDLE_ID}")["channels"]

    def stats(self):
        return self._ask("GET", "/sim/stats")

    def set_faults(self, **faults):
        self._ask("PUT", "/sim/faults", faults)

    def clear_faults(self):
        self._ask("DELETE", "/sim/faults")
