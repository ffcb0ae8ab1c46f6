"""Apple's other ways: a certificate in place of a key, and one stream until a credential was taken."""

import subprocess
import unittest

from house import NEW_UPLOAD, HouseTest
from simulator import BUNDLE_ID

DEVICES = 3_000


class Apns(HouseTest):
    def make_push_certificate(self):
        """Of the local authority, with its key in one PKCS#12 file."""
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=self.credentials, check=True,
                           capture_output=True)

        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", "push.key", "-subj", f"/UID={BUNDLE_ID}/CN=Apple Push Services",
                "-out", "push.csr")
        openssl("x509", "-req", "-in", "push.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
                "-days", "20", "-set_serial", "1", "-out", "push.pem")
        (self.credentials / "push.password").write_text("open sesame\n")
        openssl("pkcs12", "-export", "-in", "push.pem", "-inkey", "push.key", "-out", "push.p12",
                "-passout", "file:push.password")

    def test_a_certificate_sends_every_push_type_that_it_may(self):
        self.start_simulator(
            DEVICES, mix="apns:1",
            apns="client_ca = \"{credentials}/ca.pem\"\none_stream_until_authenticated = true")
        self.make_push_certificate()
        self.configure_relay()
        config = self.relay.config.read_text()
        token = "\n".join(line for line in config.splitlines()
                          if line.startswith(("key_file = ", "key_id = ", "team_id = ")))
        self.relay.config.write_text(config.replace(
            token, f'certificate_file = "{self.credentials}/push.p12"\n'
                   f'certificate_password_file = "{self.credentials}/push.password"'))
        code, output = self.relay.command("check")
        self.assertEqual(code, 0, output)
        self.assertIn("warning: [apps.video.apns] the certificate ends on ", output)
        self.import_devices(DEVICES)
        self.relay.start()

        counters = self.wait_until_completed(self.publish())["counters"]
        self.assertEqual(counters["accepted"], DEVICES)
        silent = {"app": "video", "topic": "channel-42", "data": {"sync": "now"},
                  "apns_push_type": "background"}
        counters = self.wait_until_completed(self.publish(silent))["counters"]
        self.assertEqual(counters["accepted"], DEVICES)
        self.assertEqual(self.simulator.stats()["apns"]["by_reason"], {})
        for push_type in ("voip", "liveactivity"):
            answer = self.relay.publish({**NEW_UPLOAD, "apns_push_type": push_type})
            self.assertEqual(answer.status, 422, answer)
            self.assertEqual(answer.json["errors"][0]["pointer"], "/apns_push_type")
        metrics = self.relay.request("GET", "/metrics").content.decode()
        self.assertIn('carillon_credential_expires_seconds{app="video",platform="apns"} ', metrics)

    def test_a_connection_of_one_stream_grows_once_its_token_was_taken(self):
        self.start_simulator(DEVICES, mix="apns:1", apns="one_stream_until_authenticated = true")
        self.configure_relay()
        self.import_devices(DEVICES)
        self.relay.start()
        event = self.publish()
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], DEVICES)
        self.assertEqual(self.assert_same_view(event, counters)["duplicates"], 0)


if __name__ == "__main__":
    unittest.main()
