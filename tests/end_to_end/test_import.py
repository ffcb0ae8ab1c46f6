"""Bulk loads: the good lines are kept, the bad ones are told."""

import csv
import gzip
import io
import json
import os
import pathlib
import signal
import subprocess
import unittest

from conditions import eventually
from house import BINARIES, HouseTest
from program import Program

EXIT_BAD_LINES = 3


class Import(HouseTest):
    def write_lines(self, name, lines):
        path = self.directory / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def spoiled(self, lines):
        """Three bad lines among the good ones: no JSON, no such platform, no token."""
        device = next(device for device in map(json.loads, lines) if "token" in device)
        lines = list(lines)
        lines[4] = '{"device": "d-'
        lines[6] = json.dumps({**device, "device": "x-1", "platform": "pigeon"})
        lines[8] = json.dumps({name: value for name, value in device.items() if name != "token"})
        return lines

    def test_bad_lines_are_told_by_number_beside_a_running_relay(self):
        count = 2_000
        self.start_house(count, enrolled=10)
        self.simulator.write_devices(self.directory / "all.ndjson", count)
        lines = (self.directory / "all.ndjson").read_text().splitlines()
        path = self.write_lines("spoiled.ndjson", self.spoiled(lines))
        code, output = self.relay.command("import", path)
        self.assertEqual(code, EXIT_BAD_LINES, output)
        for number, field in ((5, ""), (7, "platform"), (9, "token")):
            self.assertRegex(output, rf"line {number}: .*{field}")
        # Lines 5, 7 and 9 were spoiled; they were among the ten that were enrolled before.
        counters = self.wait_until_completed(self.publish())["counters"]
        self.assertEqual(counters["accepted"], count)

    def test_an_import_while_sending_disturbs_neither(self):
        first, second = 60_000, 20_000
        self.start_house(first + second, enrolled=first)
        self.simulator.set_faults(latency_ms=200)
        event = self.publish()
        path = self.directory / "all.ndjson"
        self.simulator.write_devices(path, first + second)
        code, output = self.relay.command("import", path)
        self.assertEqual(code, 0, output)
        self.simulator.clear_faults()
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], first)
        self.assert_same_view(event, counters)
        counters = self.wait_until_completed(self.publish())["counters"]
        self.assertEqual(counters["accepted"], first + second)

    def test_the_api_takes_the_same_lines(self):
        count = 500
        self.start_house(count, enrolled=10)
        self.simulator.write_devices(self.directory / "all.ndjson", count)
        lines = (self.directory / "all.ndjson").read_text().splitlines()
        body = "".join(f"{line}\n" for line in self.spoiled(lines)).encode()
        answer = self.relay.request("POST", "/v1/apps/video/import", body,
                                    headers={"Content-Type": "application/x-ndjson"})
        self.assertEqual(answer.status, 200, answer)
        report = answer.json
        self.assertEqual(report["lines"], count, report)
        self.assertEqual(report["bad"], 3, report)
        counters = self.wait_until_completed(self.publish())["counters"]
        self.assertEqual(counters["accepted"], count)

    def test_a_table_is_imported_compressed_by_command_and_by_api(self):
        count = 400
        self.start_house(count, enrolled=10)
        self.simulator.write_devices(self.directory / "all.ndjson", count)
        devices = [json.loads(line) for line in (self.directory / "all.ndjson").read_text().splitlines()]
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(["device", "platform", "token", "subscription", "subscriber", "topics",
                        "attributes.plan"])
        for device in devices:
            table.writerow([device["device"], device["platform"], device.get("token", ""),
                            json.dumps(device["subscription"]) if "subscription" in device else "",
                            device["subscriber"],
                            " ".join(device["topics"]), "pro"])
        packed = gzip.compress(text.getvalue().encode())
        path = self.directory / "all.csv.gz"
        path.write_bytes(packed)

        code, output = self.relay.command("import", "--app", "video", "--dry-run", path)
        self.assertEqual(code, 0, output)
        self.assertIn(f"{count} good, 0 bad; nothing was stored", output)
        code, output = self.relay.command("import", "--app", "video", "--resume-from-line", 102, path)
        self.assertEqual(code, 0, output)
        self.assertIn(f"imported {count - 100} lines", output)
        answer = self.relay.request("POST", "/v1/apps/video/import", packed,
                                    headers={"Content-Type": "text/csv", "Content-Encoding": "gzip"})
        self.assertEqual(answer.status, 200, answer)
        report = answer.json
        self.assertEqual((report["lines"], report["bad"]), (count, 0), report)
        counters = self.wait_until_completed(self.publish())["counters"]
        self.assertEqual(counters["accepted"], count)

    def test_an_import_that_is_stopped_tells_the_line_to_go_on_from(self):
        self.start_house(10)
        self.simulator.write_devices(self.directory / "all.ndjson", 10)
        lines = (self.directory / "all.ndjson").read_text().splitlines(keepends=True)
        with subprocess.Popen([BINARIES / "carillon", "import", "--config", self.relay.config, "-"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True) as running:
            running.stdin.write("".join(lines[:4]) + lines[4][:30])
            running.stdin.flush()
            eventually(lambda: self.blocked(running.pid), 10, "the import takes its signals")
            running.send_signal(signal.SIGTERM)
            output = running.stdout.read()
            self.assertEqual(running.wait(10), 1, output)
        self.assertRegex(output, r"stopped; go on with --resume-from-line [1-5]\n")

    def blocked(self, pid):
        """True once the program takes SIGTERM by itself."""
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigBlk:"):
                return int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1
        return False

    def test_a_second_import_of_the_same_lines_changes_nothing(self):
        lines = self.start_house(1_000)
        code, output = self.relay.command("import", lines)
        self.assertEqual(code, 0, output)
        self.assertIn("1,000 unchanged", output)

    def test_phones_enrol_by_themselves_and_show_what_comes(self):
        self.start_house(100)
        phones = self.listen(3)
        phones.wait_for_line(r"^listening")
        event = self.publish()
        self.assertEqual(phones.wait(30), 0, phones.output())
        self.assertEqual(sum("New upload" in line for line in phones.lines()), 3, phones.output())
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], 103)
        eventually(lambda: self.simulator.event(event)["unique_devices"] == 103, 10, "103 phones have it")

    def listen(self, count):
        phones = Program("device-sim listen", [
            BINARIES / "device-sim", "listen", "--count", count, "--events", 1, "--topic",
            "channel-42", "--app", "video", "--control", f"127.0.0.1:{self.simulator.control_port}",
            "--relay", self.relay.url], {**os.environ, "CARILLON_API_KEY": self.relay.key})
        self.addCleanup(phones.stop)
        return phones


if __name__ == "__main__":
    unittest.main()
