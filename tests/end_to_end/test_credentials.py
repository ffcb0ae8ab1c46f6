"""Credentials: exchanged while a send runs, wrong ones kept out, several apps apart, asked before they matter."""

import subprocess
import unittest

from conditions import eventually
from house import NEW_UPLOAD, HouseTest
from simulator import BUNDLE_ID

OTHER_BUNDLE = "com.example.audio"


class Credentials(HouseTest):
    def make_key(self, name):
        """A signing key NAME.p8 and its public half."""
        private, public = self.directory / f"{name}.p8", self.directory / f"{name}.pem"
        for command in (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", private],
                        ["pkey", "-in", private, "-pubout", "-out", public]):
            subprocess.run(["openssl", *command], check=True, capture_output=True)
        return private, public

    def start_with_keys(self, devices, names, **options):
        """A simulator that knows the keys SIMKEY0001, SIMKEY0002, … of these names."""
        self.keys = {name: self.make_key(name) for name in names}
        known = {f"SIMKEY{number:04}": public
                 for number, (_, public) in enumerate(self.keys.values(), start=1)}
        self.start_simulator(devices, apns_keys=known, **options)
        self.configure_relay()
        self.edit({f"{self.credentials}/apns.p8": str(self.keys[names[0]][0])})

    def edit(self, replacements):
        text = self.relay.config.read_text()
        for old, new in replacements.items():
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.relay.config.write_text(text)

    def alarm(self, app="video", platform="apns"):
        return self.relay.metric("carillon_credential_alarm", app=app, platform=platform)

    def replaced(self, app="video", platform="apns"):
        return self.relay.metric("carillon_credentials_replaced_total", app=app, platform=platform)

    def provider(self, app="video", platform="apns"):
        """(status, what /readyz says of a provider)"""
        answer = self.relay.request("GET", "/readyz", key="")
        return answer.status, next(one for one in answer.json["providers"]
                                   if (one["app"], one["platform"]) == (app, platform))

    def reach(self, event, devices):
        eventually(lambda: self.simulator.event(event)["unique_devices"] >= devices, 60,
                   f"{devices} devices are reached", every_s=0)

    def pending(self, event):
        return self.relay.event(event)["counters"]["pending"]

    def steer(self, event, action, body=None):
        answer = self.relay.request("POST", f"/v1/events/{event}/{action}", body)
        self.assertEqual(answer.status, 200, answer)

    def test_a_key_is_exchanged_in_the_middle_of_a_send_and_a_wrong_one_is_not_taken(self):
        devices = 100_000
        self.start_with_keys(devices, ["first", "second"], mix="apns:100")
        self.import_devices(devices)
        self.relay.start()
        self.simulator.set_faults(latency_ms=1_000)  # four thousand a second at most, until there is a rate
        event = self.publish()
        self.steer(event, "rate", {"per_second": 1_000})
        self.simulator.clear_faults()
        self.reach(event, 200)

        # A key that Apple does not know: it is tried, refused, and nothing else happens.
        stranger, _ = self.make_key("stranger")
        first, second = self.keys["first"][0], self.keys["second"][0]
        self.edit({str(first): str(self.directory / "next.p8"), "SIMKEY0001": "SIMKEY0002"})
        (self.directory / "next.p8").write_bytes(stranger.read_bytes())
        self.relay.reread()
        eventually(lambda: self.alarm() == 1, 20, lambda: f"an alarm\n{self.relay.output()}")
        status, provider = eventually(
            lambda: (lambda seen: seen if seen[1]["credential_alarm"] else None)(self.provider()), 20,
            "the alarm is in /readyz")
        self.assertEqual(status, 200, "what is sent is sent")
        self.assertIn("InvalidProviderToken", provider["credential_alarm"])
        self.assertEqual(self.replaced(), 0)
        eventually(lambda: "the new credential is refused: InvalidProviderToken"
                   in self.relay.output(), 20, lambda: f"the log says why\n{self.relay.output()}")
        self.reach(event, self.simulator.event(event)["unique_devices"] + 200)  # it goes on

        # The right one comes by itself, when its file changes.
        (self.directory / "next.p8").write_bytes(second.read_bytes())
        eventually(lambda: self.replaced() == 1 and self.alarm() == 0, 20,
                   lambda: f"it is taken\n{self.relay.output()}")
        self.assertGreater(self.pending(event), 1_000, "in the middle")

        # The old one is gone at Apple, and nobody notices.
        eventually(lambda: "what was sent with replaced credentials is answered" in self.relay.output(), 20,
                   "what the old one sent is answered")
        self.simulator.set_faults(revoked_apns_key="SIMKEY0001")
        self.assertGreater(self.pending(event), 1_000, "in the middle")
        self.steer(event, "rate", {"per_second": None})
        now = self.wait_until_completed(event)
        self.assertEqual(now["counters"]["accepted"], devices, now)
        self.assertEqual(now["by_reason"], {}, "nobody was refused")
        seen = self.assert_same_view(event, now["counters"])
        self.assertEqual(seen["duplicates"], 0, seen)
        self.assertEqual(self.relay.metric("carillon_retried_total", app="video", platform="apns"), 0)

    def test_a_key_that_was_revoked_is_an_alarm_until_another_one_is_there_and_stops_no_other_app(self):
        devices = 2_000
        self.start_with_keys(devices, ["video", "audio", "audio-next"], topics=[BUNDLE_ID, OTHER_BUNDLE],
                             mix="apns:100")
        self.relay.config.write_text(self.relay.config.read_text() + f"""
[apps.audio.apns]
endpoint = "https://127.0.0.1:{self.simulator.apns_port}"
ca_file = "{self.credentials}/ca.pem"
key_file = "{self.keys['audio'][0]}"
key_id = "SIMKEY0002"
team_id = "SIMTEAM001"
bundle_id = "{OTHER_BUNDLE}"
""")
        lines = self.directory / "devices.ndjson"
        self.simulator.write_devices(lines, devices)
        mine, others = [], []
        for number, line in enumerate(lines.read_text().splitlines()):
            (mine if number % 2 == 0 else others).append(line)
        lines.write_text("\n".join(mine + [line.replace('"app":"video"', '"app":"audio"') for line in others]) + "\n")
        code, output = self.relay.command("import", lines)
        self.assertEqual(code, 0, output)
        self.relay.start()

        video = self.publish()
        audio = self.publish({**NEW_UPLOAD, "app": "audio"})
        for event in (video, audio):
            now = self.wait_until_completed(event)
            self.assertEqual(now["counters"]["accepted"], devices // 2, now)
            self.assert_same_view(event, now["counters"])
        # Everybody has exactly the event of their app.
        for device in self.random.sample(range(1, devices + 1), 20):
            inbox = self.simulator.device(f"d-{device:07}")
            self.assertEqual([one["event"] for one in inbox["recent"]],
                             [video if device % 2 == 1 else audio], inbox)

        self.simulator.set_faults(revoked_apns_key="SIMKEY0002")
        audio = self.publish({**NEW_UPLOAD, "app": "audio"})
        eventually(lambda: self.alarm("audio") == 1, 20, lambda: f"an alarm\n{self.relay.output()}")
        video = self.publish()
        self.assertEqual(self.wait_until_completed(video)["counters"]["accepted"], devices // 2)
        self.assertEqual(self.alarm("video"), 0)
        self.assertGreater(self.pending(audio), 0)
        self.assertEqual(self.relay.event(audio)["counters"]["rejected"], 0, "nobody pays for the key")

        self.edit({str(self.keys["audio"][0]): str(self.keys["audio-next"][0]), "SIMKEY0002": "SIMKEY0003"})
        self.relay.reread()
        eventually(lambda: self.replaced("audio") == 1 and self.alarm("audio") == 0, 20,
                   lambda: f"the next key is taken\n{self.relay.output()}")
        self.assertEqual(self.replaced("video"), 0)
        now = self.wait_until_completed(audio)
        self.assertEqual(now["counters"]["accepted"], devices // 2, now)
        self.assert_same_view(audio, now["counters"])

    def test_check_online_asks_every_platform_and_reaches_nobody(self):
        self.start_with_keys(100, ["first"])
        code, output = self.relay.command("check", "--online")
        self.assertEqual(code, 0, output)
        for platform in ("apns", "fcm", "webpush"):
            self.assertIn(f"online: [apps.video.{platform}] is taken: ", output)
        stats = self.simulator.stats()
        self.assertEqual(stats["fcm"]["validated_only"], 1, stats)
        self.assertEqual(stats["apns"]["by_reason"], {"BadDeviceToken": 1}, stats)

        # A plan asks as well, about the message.
        self.relay.start()
        plan = self.relay.request("POST", "/v1/events?plan=1", NEW_UPLOAD)
        self.assertEqual(plan.status, 200, plan)
        self.assertEqual(plan.json["providers"]["fcm"]["validated"], {"answer": "taken", "word": "status 200"})
        self.assertEqual(self.simulator.stats()["fcm"]["validated_only"], 2)
        self.assertEqual(self.relay.events(), [])
        self.assertEqual(self.relay.drain(), 0)

        stranger, _ = self.make_key("stranger")
        good = self.relay.config.read_text()
        for old, new, platform, word in (
                (str(self.keys["first"][0]), str(stranger), "apns", "is refused: InvalidProviderToken (status 403)"),
                (BUNDLE_ID, "com.example.nobody", "apns", "is refused: TopicDisallowed (status 400)"),
                (f'{self.credentials}/service-account.json"', f'{self.credentials}/service-account.json"\n'
                 'project = "another"', "fcm", "is refused: NOT_FOUND (status 404)"),
                (f"127.0.0.1:{self.simulator.webpush_port}", "127.0.0.1:1", "webpush",
                 "is not known to be taken: not reached: 127.0.0.1:1: ")):
            self.edit({old: new})
            code, output = self.relay.command("check", "--online")
            self.relay.config.write_text(good)
            self.assertEqual(code, 1, output)
            self.assertIn(f"[apps.video.{platform}] {word}", output)
            self.assertEqual(output.count(" is taken: "), 2, output)


if __name__ == "__main__":
    unittest.main()
