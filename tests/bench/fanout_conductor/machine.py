"""What the machine says: whose CPU time it was, what others took, what it is made of."""

import os
import pathlib
import platform
import re
import subprocess
import time
from dataclasses import dataclass

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def process_seconds(pid):
    """CPU seconds of all threads of a process, with those that have ended.

    The kernel's clock of another process: its id is made of the process's (clock_getcpuclockid(3)).
    """
    CPUCLOCK_SCHED = 2
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def process_user_share(pid):
    """(user ticks, system ticks): coarse, for dividing what `process_seconds` tells exactly."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


def resident_peak_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"^VmHWM:\s+(\d+)", file.read(), re.MULTILINE).group(1)) / 1024


@dataclass
class CoreTimes:
    """Ticks of some cores together, since the machine started."""
    busy: int
    stolen: int

    @staticmethod
    def read(cores):
        busy = stolen = 0
        with open("/proc/stat", encoding="ascii") as file:
            for line in file:
                name, *fields = line.split()
                if not re.fullmatch(r"cpu\d+", name) or int(name[3:]) not in cores:
                    continue
                user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields[:8])
                busy += user + nice + system + irq + softirq
                stolen += steal
        return CoreTimes(busy, stolen)


class Watch:
    """From its making to `stop`: wall time, and what the two cores did in it."""

    def __init__(self, cores):
        self._cores = cores
        self._at = CoreTimes.read(cores)
        self._began = time.monotonic()

    def stop(self, ours_s):
        """`ours_s`: CPU seconds of the processes that are measured."""
        self.seconds = time.monotonic() - self._began
        now = CoreTimes.read(self._cores)
        ticks = self.seconds * CLOCK_TICKS * len(set(self._cores))
        self.steal = (now.stolen - self._at.stolen) / ticks
        # A tick is 10 ms: what is below a few of them is noise.
        self.others = max(0.0, (now.busy - self._at.busy - ours_s * CLOCK_TICKS) / ticks)
        return self


def two_cores():
    """(sender's, simulator's): apart where there are two."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (allowed[0], allowed[0])


def pinned(core, command):
    return ["taskset", "--cpu-list", str(core), *[str(part) for part in command]]


def _first_line(*command):
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
        return (ran.stdout or ran.stderr).strip().splitlines()[0]
    except (OSError, IndexError):
        return "not there"


def _value(path, key):
    with open(path, encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(key):
                return line.partition(":")[2].strip()
    return "unknown"


def commit(said=None):
    """Of these sources; "-dirty" behind it if a file that git knows is another now. `said`: by git."""
    if said is None:
        said = _first_line("git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always",
                           "--dirty", "--abbrev=12", "--exclude=*")
    return said if re.fullmatch(r"[0-9a-f]{7,}(-dirty)?", said) else "unknown, git does not tell"


# Where fsync has nothing to do.
IN_MEMORY = ("tmpfs", "ramfs")


def file_system(folder, mounts=None):
    """The type of the file system that `folder` (absolute) is on. `mounts`: lines of mountinfo (proc(5))."""
    if mounts is None:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            mounts = file.read()
    longest, kind = "", "unknown"
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4])
        inside = point == "/" or f"{folder}/".startswith(f"{point}/")
        if inside and len(point) >= len(longest):  # of two at one place the later one is seen
            longest, kind = point, after.split()[0]
    return kind


def describe(folder):
    """Lines about hardware and versions."""
    disk = os.statvfs(folder)
    kind = file_system(os.path.realpath(folder))
    return [
        f"cpu        {_value('/proc/cpuinfo', 'model name')}, family "
        f"{_value('/proc/cpuinfo', 'cpu family')} model {_value('/proc/cpuinfo', 'model')}, "
        f"{len(os.sched_getaffinity(0))} cores",
        f"memory     {_value('/proc/meminfo', 'MemTotal')}",
        f"kernel     {platform.system()} {platform.release()}, load {os.getloadavg()[0]:.1f}",
        f"folder     {folder}, {kind}, {disk.f_bavail * disk.f_frsize >> 30} GiB free",
        *([f"           {kind} is memory: nothing is on a disk and commits cost next to nothing, so "
           "no figure is of a durable store; --folder names another place"]
          if kind in IN_MEMORY else []),
        f"commit     {commit()}",
        f"versions   {_first_line('h2load', '--version')}, "
        f"{_first_line('openssl', 'version').partition('(')[0].strip()}, "
        f"{_first_line('g++', '--version')}",
    ]
