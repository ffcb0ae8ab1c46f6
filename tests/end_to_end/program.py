"""One process of ours, with everything that it has said."""

import re
import signal
import subprocess
import threading
import time

from conditions import DeadlinePassed

LINES_KEPT = 400


class Program:
    """Started by the constructor. `stop` ends it whatever state it is in."""

    def __init__(self, name, command, environment=None, directory=None):
        self.name = name
        self._lines = []
        self._heard = threading.Condition()
        self._process = subprocess.Popen(
            [str(part) for part in command], cwd=directory, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            with self._heard:
                self._lines.append(line.rstrip("\n"))
                self._heard.notify_all()
        with self._heard:
            self._heard.notify_all()

    @property
    def pid(self):
        return self._process.pid

    @property
    def running(self):
        return self._process.poll() is None

    def lines(self):
        with self._heard:
            return list(self._lines)

    def output(self):
        return "\n".join(self.lines()[-LINES_KEPT:])

    def wait_for_line(self, pattern, within_s=20):
        """The match of the first line, said already or yet to be said, in which `pattern` is found."""
        expression = re.compile(pattern)
        deadline = time.monotonic() + within_s
        seen = 0
        with self._heard:
            while True:
                for line in self._lines[seen:]:
                    match = expression.search(line)
                    if match:
                        return match
                seen = len(self._lines)
                left = deadline - time.monotonic()
                if left <= 0 or not (self._reader.is_alive() or seen < len(self._lines)):
                    raise DeadlinePassed(
                        f"{self.name} did not say /{pattern}/; it said:\n" + "\n".join(self._lines))
                self._heard.wait(min(left, 0.5))

    def wait(self, within_s=30):
        """The exit code, once it has ended by itself and everything it said is here."""
        try:
            code = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise DeadlinePassed(f"{self.name} was still running after {within_s} s; it said:\n"
                                 + self.output()) from None
        self._end()
        return code

    def _end(self):
        self._reader.join()
        self._process.stdout.close()

    def send_signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        """SIGKILL, and gone when this returns."""
        self._process.send_signal(signal.SIGKILL)
        self.wait()

    def stop(self, within_s=20):
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        code = self._process.wait()
        self._end()
        return code


def run_to_end(name, command, environment=None, within_s=120):
    """(exit code, everything it said)."""
    program = Program(name, command, environment)
    try:
        return program.wait(within_s), program.output()
    finally:
        program.stop()
