"""The provider library against nghttpd, the server of nghttp2's authors, in each of its moods."""

import os
import shutil
import subprocess
import tempfile
import unittest

from h2_peer import credential
from stage import Driver, Stage

DEVICES = 300
LISTENING = "0A"  # the state, in /proc/net/tcp


class Nghttpd:
    """Serves the files of a folder, which is all that it can: a file for each device is its 200."""

    def __init__(self, stage, folder, *options):
        program = shutil.which("nghttpd") or "/usr/sbin/nghttpd"
        self._process = subprocess.Popen(
            [program, "--htdocs", folder, "--address", "127.0.0.1", *options, "0",
             credential("server-key.pem"), credential("server.pem")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stage.until(self._find_port, "nghttpd listens", look_again_s=0.005)

    def _find_port(self):
        """It does not tell which port the system chose."""
        at = f"/proc/{self._process.pid}"
        sockets = set()
        for descriptor in os.listdir(f"{at}/fd"):
            try:
                sockets.add(os.readlink(f"{at}/fd/{descriptor}"))
            except FileNotFoundError:  # closed meanwhile
                pass
        with open(f"{at}/net/tcp", encoding="ascii") as table:
            for line in list(table)[1:]:
                _, local, _, state, *_, = line.split()
                if state == LISTENING and f"socket:[{line.split()[9]}]" in sockets:
                    self.port = int(local.rpartition(":")[2], 16)
                    return True
        return False

    def close(self):
        self._process.terminate()
        self._process.wait()


class NghttpdTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="nghttpd-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        devices = os.path.join(cls.folder, "3", "device")
        os.makedirs(devices)
        for tag in range(DEVICES):
            open(os.path.join(devices, f"{tag:064x}"), "wb").close()
        messages = os.path.join(cls.folder, "v1", "projects", "carillon-sim")
        os.makedirs(messages)
        with open(os.path.join(messages, "messages:send"), "w", encoding="ascii") as answer:
            answer.write('{"name":"projects/carillon-sim/messages/1"}')
        with open(os.path.join(cls.folder, "token"), "w", encoding="ascii") as answer:
            answer.write('{"access_token":"ya29.token","expires_in":3599,"token_type":"Bearer"}')

    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)

    def serve(self, *options):
        server = Nghttpd(self.stage, self.folder, *options)
        self.addCleanup(server.close)
        return f"https://localhost:{server.port}"

    def drive(self, configuration):
        driver = Driver(self.stage, {"ca_file": credential("ca.pem"), "connections_max": 1,
                                     "request_timeout_ms": 60_000, **configuration})
        self.addCleanup(driver.close)
        return driver

    def drive_apns(self, at):
        return self.drive({"platform": "apns", "endpoint": at, "key_file": credential("apns.p8"),
                           "key_id": "SIMKEY0001", "team_id": "SIMTEAM001",
                           "bundle_id": "com.example.video"})

    def drive_fcm(self, at):
        return self.drive({"platform": "fcm", "endpoint": at, "token_uri": f"{at}/token",
                           "service_account_file": credential("service-account.json")})

    def expect_all_accepted(self, driver, count=DEVICES):
        verdicts = driver.until_settled(driver.submit(count))
        self.assertEqual({verdict["kind"] for verdict in verdicts}, {"accepted"})
        self.assertEqual(driver.repeated, [])

    def expect_service_of_both(self, *options):
        at = self.serve(*options)
        self.expect_all_accepted(self.drive_apns(at))
        self.expect_all_accepted(self.drive_fcm(at), 50)

    def test_answers_everything(self):
        self.expect_service_of_both()

    def test_answers_one_stream_at_a_time(self):
        self.expect_service_of_both("--max-concurrent-streams=1")

    def test_answers_with_padding_and_trailers(self):
        self.expect_service_of_both("--padding=255", "--trailer", "server-timing: a;dur=1")

    def test_answers_without_any_header_table(self):
        self.expect_service_of_both("--header-table-size=0", "--encoder-header-table-size=0")

    def test_answers_behind_windows_of_a_few_bytes(self):
        self.expect_service_of_both("--window-bits=3", "--connection-window-bits=16")

    def test_answers_before_it_has_the_request(self):
        self.expect_service_of_both("--early-response")

    def test_says_404_in_html_and_nobody_takes_that_for_a_dead_device(self):
        driver = self.drive_apns(self.serve())
        verdicts = driver.until_settled(driver.submit(DEVICES + 5))[DEVICES:]
        self.assertEqual({verdict["status"] for verdict in verdicts}, {404})
        self.assertNotIn("token_dead", {verdict["kind"] for verdict in verdicts})


if __name__ == "__main__":
    unittest.main()
