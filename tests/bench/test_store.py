"""The store's benchmark as it is run, small: what it prints is what is promised of it."""

import json
import pathlib
import subprocess
import unittest

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "build/release/bin/store_bench"
SECONDS_MAX = 300  # somebody else's machine, and busy
KEYS = [
    "bytes_per_device", "bytes_per_subscription", "import_per_second", "import_random_per_second",
    "incremental_per_second", "unchanged_per_second", "scan_dense_per_second", "scan_cold_per_second",
    "scan_1m_per_second", "scan_100k_per_second", "upserts_per_second", "erasures_per_second", "wal_mib",
    "rss_mib",
]
FURTHER_KEYS = ["condition_scan_ratio", "count_seconds_max"]


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=SECONDS_MAX)


class StoreBench(unittest.TestCase):
    def test_its_last_line_has_every_figure(self):
        ran = run("--devices", "10000", "--seconds", "0.2", "--no-postgres", "--json")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        *told, last = ran.stdout.splitlines()
        figures = json.loads(last)
        self.assertEqual(list(figures), KEYS + FURTHER_KEYS)
        for key, value in figures.items():
            self.assertGreater(value, 0, key)
        text = "\n".join(told)
        for word in ["cpu ", "memory ", "devices   10000,", "cold start ", *figures]:
            self.assertIn(word, text)

    def test_says_which_option_is_wrong(self):
        for arguments in (["--devices", "9999"], ["--devices"], ["--seconds", "0"], ["--seconds", "nan"], ["--fast"]):
            ran = run(*arguments)
            self.assertEqual((ran.returncode, ran.stdout), (2, ""), arguments)
            self.assertIn(f"store bench: {arguments[0]}: ", ran.stderr)


if __name__ == "__main__":
    unittest.main()
