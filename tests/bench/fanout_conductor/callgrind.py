"""Instructions of a program, counted by valgrind's callgrind: they do not depend on the machine's mood."""

import re
import shutil
import subprocess


def available():
    return shutil.which("valgrind") is not None


def under(out):
    """What to put before a command, so that its instructions are counted into the file `out`."""
    # Threads take turns fairly: with the default one that spins or works may keep others waiting.
    return ["valgrind", "--tool=callgrind", "--quiet", "--fair-sched=try",
            f"--callgrind-out-file={out}"]


def total(out):
    with open(out, encoding="utf-8", errors="replace") as file:
        for line in file:
            if match := re.match(r"(?:summary|totals): (\d+)", line):
                return int(match.group(1))
    raise RuntimeError(f"{out} tells no total: the program did not end by itself")


def count(command, out, within_s=300):
    """Instructions of a command that ends by itself."""
    ran = subprocess.run([*under(out), *[str(part) for part in command]], capture_output=True,
                         text=True, stdin=subprocess.DEVNULL, timeout=within_s, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {ran.returncode}: {ran.stdout}{ran.stderr}")
    return total(out)
