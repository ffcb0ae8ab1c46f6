"""Holds a program back at the first word it says, with nothing of its own but a full pipe."""

import fcntl
import os
import time

LOOK_S = 0.002
WITHIN_S = 120


class HeldOutput:
    """The pipe that a process says everything into; it is full until `let_go`.

    A program that announces that it begins, and then begins, waits in the write of the announcement:
    all that comes before is done and nothing that comes after, whoever is slow.
    """

    def __init__(self):
        self._read, self.end = os.pipe()  # `end`: the process's
        self._filling = fcntl.fcntl(self._read, fcntl.F_GETPIPE_SZ)
        os.write(self.end, b"\n" * self._filling)

    def held_by(self, process):
        """From now on this side is the `process`'s stdout."""
        os.close(self.end)
        process.stdout = os.fdopen(self._read, encoding="utf-8", errors="replace")

    def wait_until_held(self, process):
        """Until it stands at its first word, or has ended without one."""
        deadline = time.monotonic() + WITHIN_S
        while not _stands(process.pid):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{process.args[0]} said nothing in {WITHIN_S} s")
            time.sleep(LOOK_S)

    def let_go(self):
        left = self._filling
        while left:
            left -= len(os.read(self._read, left))


def _stands(pid):
    """Ended, or asleep in the pipe. Where the kernel does not tell in what, asleep has to do."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        state = file.read().rpartition(")")[2].split()[0]
    if state == "Z":
        return True
    if state != "S":
        return False
    with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
        waits_in = file.read()
    return "pipe_write" in waits_in or waits_in in ("", "0")
