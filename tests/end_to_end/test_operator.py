"""What an operator gets wrong ends in one sentence that says what to do."""

import re
import shutil
import sqlite3
import unittest

from conditions import eventually
from house import HouseTest


class Mistakes(HouseTest):
    def setUp(self):
        super().setUp()
        self.start_simulator(10)
        self.configure_relay()

    def assert_refuses(self, *names):
        """`serve` ends with exit code 1 after one sentence in which all of `names` occur."""
        program = self.relay.spawn()
        self.addCleanup(program.stop)
        self.assertEqual(program.wait(20), 1, program.output())
        told = [line for line in program.lines() if line.startswith("carillon: ")]
        self.assertEqual(len(told), 1, program.output())
        for name in names:
            self.assertIn(str(name), told[0])

    def edit_config(self, change):
        self.relay.config.write_text(change(self.relay.config.read_text()))

    def test_a_port_in_use(self):
        self.relay.start()
        other = self.directory / "other"
        other.mkdir()
        self.edit_config(lambda text: text.replace(str(self.relay.store), str(other / "carillon.db")))
        self.assert_refuses(self.relay.port, "in use")
        self.assertEqual(self.relay.request("GET", "/healthz").status, 200)  # the first one runs on

    def test_a_store_of_a_newer_version(self):
        with sqlite3.connect(self.relay.store) as store:
            version, = store.execute("PRAGMA user_version").fetchone()
            self.assertGreater(version, 0)
            store.execute(f"PRAGMA user_version = {version + 1}")
        self.assert_refuses(self.relay.store, "newer")

    def test_a_store_that_is_none(self):
        for leftover in self.directory.glob("carillon.db*"):
            leftover.unlink()
        self.relay.store.write_text("This is a diary.\n" * 1000)
        self.assert_refuses(self.relay.store)
        self.assertTrue(self.relay.store.read_text().startswith("This is a diary."))

    def test_a_signing_key_that_cannot_be_read(self):
        key = self.credentials / "apns.p8"
        key.unlink()
        self.assert_refuses(key)
        key.write_text("not a key\n")
        self.assert_refuses(key)
        key.unlink()
        key.mkdir()
        self.assert_refuses(key)

    def test_a_service_account_that_cannot_be_read(self):
        account = self.credentials / "service-account.json"
        account.write_text("{")
        self.assert_refuses(account)

    def test_a_ca_file_that_is_not_there(self):
        (self.credentials / "ca.pem").unlink()
        self.assert_refuses(self.credentials / "ca.pem")

    def test_every_mistake_of_a_config_is_told_with_its_line(self):
        self.edit_config(lambda text: text.replace("[http]\n", "[http]\nthreads = \"many\"\n")
                         .replace("key_id = \"SIMKEY0001\"\n", "")
                         .replace("[fanout]\n", "[fanout]\ncolour = 7\n"))
        for arguments in (("serve",), ("check",)):
            code, output = self.relay.command(*arguments)
            self.assertEqual(code, 1, output)
            self.assertRegex(output, rf"{re.escape(str(self.relay.config))}:\d+: .*threads")
            self.assertRegex(output, rf"{re.escape(str(self.relay.config))}:\d+: .*colour")
            self.assertRegex(output, r"key_id")

    def test_check_finds_nothing_wrong_with_a_good_config(self):
        code, output = self.relay.command("check")
        self.assertEqual(code, 0, output)


class Shutdown(HouseTest):
    def test_a_drained_relay_goes_on_later_without_repeating_anything(self):
        devices = 60_000
        self.start_house(devices)
        self.simulator.set_faults(latency_ms=100)
        event = self.publish()
        eventually(lambda: self.simulator.event(event)["unique_devices"] > 0, 20, "the send begins")
        self.assertEqual(self.relay.drain(), 0, self.relay.output())
        sent = self.simulator.event(event)
        self.assertLess(sent["unique_devices"], devices)
        self.simulator.clear_faults()
        self.relay.start()
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], devices)
        self.assertEqual(self.assert_same_view(event, counters)["duplicates"], 0)

    def test_a_relay_without_work_has_threads_with_names_and_ends_at_once(self):
        self.start_house(10)
        names = {"carillon", "fanout", "http-gate", "http-worker", "provider-loop", "store-wal",
                 "store-writer"}
        # A thread names itself, so one that has just begun still bears its parent's name.
        eventually(lambda: names <= self.relay.thread_names(), 20,
                   lambda: f"{names - self.relay.thread_names()} run")
        self.assertEqual(self.relay.drain(within_s=9), 0)  # what it might take: 10 s

    def test_a_copied_store_can_be_opened_after_a_drain(self):
        self.start_house(10)
        event = self.publish()
        self.wait_until_completed(event)
        self.relay.drain()
        copy = self.directory / "copy.db"
        shutil.copy(self.relay.store, copy)
        for leftover in self.directory.glob("carillon.db*"):
            leftover.unlink()
        shutil.move(copy, self.relay.store)
        self.relay.start()
        self.assertEqual(self.relay.event(event)["state"], "completed")


class Backup(HouseTest):
    def test_a_copy_made_during_a_send_serves_in_the_stores_place(self):
        self.start_house(20_000)
        self.simulator.set_faults(latency_ms=100)
        event = self.publish()
        copy = self.directory / "copy.db"
        code, output = self.relay.command("backup", copy)
        self.assertEqual(code, 0, output)
        self.assertIn("checked", output)
        code, output = self.relay.command("backup", copy)
        self.assertEqual(code, 1, output)
        self.assertIn("is there already", output)
        self.relay.kill()
        for leftover in self.directory.glob("carillon.db*"):
            leftover.unlink()
        copy.rename(self.relay.store)
        self.simulator.clear_faults()
        self.relay.start()
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], counters["targeted"])
        self.assertEqual(self.simulator.event(event)["unique_devices"], counters["targeted"])


if __name__ == "__main__":
    unittest.main()
