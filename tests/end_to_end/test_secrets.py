"""Keys and tokens are told to nobody: every kind of error is provoked, and everything that was said is searched."""

import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import unittest

from conditions import eventually
from house import BINARIES, NEW_UPLOAD, HouseTest

DEVICES = 300
# Of whatever key: a JWT's first two parts, and an access token as Google and the simulator write it.
SHAPES = {"a JWT": rb"eyJ[\w-]{8,}\.[\w-]{8,}", "an access token": rb"ya29\.[\w-]{8,}"}
GARBAGE = "c2VjcmV0IHRoYXQgaXMgbm8ga2V5IGJ1dCBsb29rcyBsaWtlIG9uZQ"


def pem_lines(text):
    return [line for line in text.replace("\\n", "\n").splitlines() if len(line) > 30 and "-----" not in line]


class Secrets(HouseTest):
    def setUp(self):
        super().setUp()
        self.said = {}  # where: bytes

    def hear(self, where, content):
        self.said[where] = self.said.get(where, b"") + (content if isinstance(content, bytes) else content.encode())

    def ask(self, method, path, body=None, status=None, **options):
        answer = self.relay.request(method, path, body, **options)
        if status is not None:
            self.assertEqual(answer.status, status, answer)
        self.hear(f"{method} {path}", f"{answer.headers}".encode() + answer.content)
        return answer

    def command(self, *arguments, code):
        ended, output = self.relay.command(*arguments)
        self.hear(" ".join(("carillon", *map(str, arguments[:2]))), output)
        self.assertEqual(ended, code, output)

    def secrets(self):
        """What must not be told, and what each is."""
        files = {name: (self.credentials / name).read_text()
                 for name in ("apns.p8", "vapid.pem", "service-account.json", "fcm-key.pem")}
        for name, text in files.items():
            text = json.loads(text)["private_key"] if name.endswith(".json") else text
            for line in pem_lines(text):
                yield f"a line of {name}", line
        yield "the API key", self.relay.key
        yield "a file that is no key", GARBAGE
        yield "a wrong API key", "crl_wrong_but_somebodys"
        yield "a token that was refused", "not-hexadecimal-but-somebodys"
        for line in (self.directory / "devices.ndjson").read_text().splitlines():
            device = json.loads(line)
            if "token" in device:
                yield f"the token of {device['device']}", device["token"]
            else:
                subscription = device["subscription"]
                yield f"the endpoint of {device['device']}", subscription["endpoint"]
                yield f"the secret of {device['device']}", subscription["keys"]["auth"]

    def test_no_key_and_no_token_is_told_whatever_goes_wrong(self):
        self.start_simulator(DEVICES, mix="apns:45,fcm:45,webpush:10")
        self.configure_relay(retry_first_ms=1, attempts_max=3, apns_unavailable_ms=1, fcm_unavailable_ms=1,
                             dead_answers_min=10)
        config = self.relay.config
        config.write_text(config.read_text() + '\n[log]\nlevel = "trace"\n')
        self.import_devices(DEVICES)
        lines = self.directory / "bad.ndjson"
        lines.write_text('{"device":"b-1","app":"video","platform":"apns","token":"not-hexadecimal-but-somebodys"}\n')
        self.command("import", lines, code=3)
        self.relay.start({**os.environ, "CARILLON_API_KEY": self.relay.key})

        # Everything in order, then everything that platforms do wrong.
        self.wait_until_completed(self.publish())
        for faults in ({"unregistered_share": 0.3, "wrong_app_share": 0.1}, {"throttled_share": 1.0, "retry_after_s": 0},
                       {"unavailable_share": 0.7, "retry_after_s": 0}, {"goaway_every": 40}, {"cut_every": 60}):
            self.simulator.set_faults(**faults)
            event = self.publish({**NEW_UPLOAD, "ttl": 1})
            self.wait_until_completed(event)
            self.ask("GET", f"/v1/events/{event}", status=200)
            self.ask("GET", f"/v1/events/{event}/failures?limit=1000", status=200)
        self.simulator.clear_faults()

        # Credentials that are none, not ours, and not known any more.
        apns, account = self.credentials / "apns.p8", self.credentials / "service-account.json"
        good = {file: file.read_text() for file in (apns, account)}
        bad = json.loads(good[account])
        for file, text in ((apns, f"-----BEGIN PRIVATE KEY-----\n{GARBAGE}\n-----END PRIVATE KEY-----\n"), (apns, GARBAGE),
                           (account, good[account][:len(good[account]) // 2]),
                           (account, json.dumps({**bad, "client_email": "stranger@example.com"})),
                           (account, json.dumps({**bad, "private_key": GARBAGE}))):
            file.write_text(text)
            self.relay.reread()
            platform = "apns" if file == apns else "fcm"
            eventually(lambda: self.relay.metric("carillon_credential_alarm", app="video", platform=platform) == 1, 20,
                       lambda: f"an alarm\n{self.relay.output()}")
            self.ask("GET", "/readyz", key="")
            self.ask("GET", "/metrics", key="")
            self.command("check", "--online", code=1)
            file.write_text(good[file])
            self.relay.reread()
            eventually(lambda: self.relay.metric("carillon_credential_alarm", app="video", platform=platform) == 0, 20,
                       lambda: f"no alarm\n{self.relay.output()}")
        self.simulator.set_faults(revoked_apns_key="SIMKEY0001")
        self.publish()
        eventually(lambda: self.relay.metric("carillon_credential_alarm", app="video", platform="apns") == 1, 20,
                   lambda: f"an alarm\n{self.relay.output()}")
        self.ask("GET", "/readyz", key="")
        self.command("check", "--online", code=1)
        self.simulator.clear_faults()

        # What clients do wrong.
        self.ask("GET", "/v1/events", key="crl_wrong_but_somebodys", status=401)
        self.ask("GET", "/v1/events", headers={"Authorization": f"Basic {self.relay.key}"}, key="", status=401)
        self.ask("PUT", "/v1/apps/video/devices/b-1",
                 {"platform": "apns", "token": "not-hexadecimal-but-somebodys", "subscriber": "b"}, status=400)
        self.ask("POST", "/v1/apps/video/import", lines.read_bytes(), headers={"Content-Type": "application/x-ndjson"})
        self.ask("POST", "/v1/events", {**NEW_UPLOAD, "devices": "not-hexadecimal-but-somebodys"}, status=400)
        self.ask("POST", "/v1/events?plan=1", NEW_UPLOAD, status=200)
        self.ask("GET", "/v1/outcomes?limit=1000", status=200)
        self.ask("GET", "/v1/apps/video/quarantine", status=200)
        self.ask("GET", "/metrics", key="")
        for words in (["keys", "list"], ["inspect", "summary"]):
            ended = subprocess.run([BINARIES / "carillon", *words, "--config", config], capture_output=True, check=True)
            self.hear(" ".join(words), ended.stdout + ended.stderr)
        self.hear("/proc/PID/environ", pathlib.Path(f"/proc/{self.relay.pid}/environ").read_bytes())
        self.relay.drain()
        self.hear("the log", "\n".join(self.relay.lines()))

        self.assertGreater(len(self.said["the log"].splitlines()), 50, "there is something to search")
        for what, secret in self.secrets():
            for where, said in self.said.items():
                self.assertNotIn(secret.encode(), said, f"{what} in {where}")
        for what, shape in SHAPES.items():
            for where, said in self.said.items():
                self.assertIsNone(re.search(shape, said), f"{what} in {where}")

    def test_a_crash_leaves_no_core_file_unless_it_may(self):
        self.start_simulator(1)
        self.configure_relay()
        good = self.relay.config.read_text()
        left = {}
        for may in (False, True):
            self.relay.config.write_text(f"{good}\n[log]\ncore_files = {str(may).lower()}\n")
            left[may] = self.crash_leaves_a_core_file()
        self.assertFalse(left[False])
        if not left[True]:
            self.skipTest("this system writes no core files at all")

    def crash_leaves_a_core_file(self):
        relay = subprocess.Popen(
            [BINARIES / "carillon", "serve", "--config", self.relay.config], cwd=self.directory,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2))
        with relay.stdout:
            while relay.stdout.readline() not in (b"ready\n", b""):
                pass
            relay.send_signal(signal.SIGSEGV)
            _, status = os.waitpid(relay.pid, 0)
        relay.returncode = -os.WTERMSIG(status)
        self.assertEqual(os.WTERMSIG(status), signal.SIGSEGV)
        return os.WCOREDUMP(status)


if __name__ == "__main__":
    unittest.main()
