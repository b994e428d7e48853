"""Programs and brokers run to their end: what they said, and what the kernel counted of them meanwhile."""

import atexit
import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

from reading import Trouble

# Seconds that any one program may take.
LIMIT = 180
# Between two looks at a process.
SAMPLE = 0.02
TICKS = os.sysconf("SC_CLK_TCK")


def die_with_us():
    """In a child: end when this program does, however that ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def cpu_seconds(pid):
    """User and system time of a process so far, all its threads."""
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def peak_bytes(pid):
    """Most memory that a process has had resident since it began to run its program; None where it has ended.

    Not `ru_maxrss`, in which a child starts with what this program has.
    """
    found = re.search(r"^VmHWM:\s+(\d+) kB$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(found[1]) * 1024 if found else None


@dataclass
class Done:
    """What a process did and cost."""

    said: str
    cpu_s: float
    server_cpu_s: float
    peak: int
    # (ns since 1970, CPU seconds of the process, of the server), in time order.
    samples: list = field(default_factory=list)

    def between(self, start, end):
        """CPU seconds of the process and of the server from one moment to another, linear between two samples."""
        times = [sample[0] for sample in self.samples]
        if not times or start < times[0] or end > times[-1] or end - start < 10 * SAMPLE * 1e9:
            raise Trouble(f"{(end - start) / 1e6:.0f} ms of receiving are too short to tell their CPU, or not sampled")

        def at(moment, column):
            after = next(index for index, time_ in enumerate(times) if time_ >= moment)
            low, high = self.samples[max(after - 1, 0)], self.samples[after]
            share = (moment - low[0]) / (high[0] - low[0]) if high[0] > low[0] else 0
            return low[column] + share * (high[column] - low[column])

        spent = tuple(at(end, column) - at(start, column) for column in (1, 2))
        # The kernel counts it in ticks of 10 ms.
        if min(spent) < 10 / TICKS:
            raise Trouble(f"receiving took only {min(spent):.2f} s of CPU: too little to tell; take more events")
        return spent


def run(command, env=None, server=None, good=(0,), folder=None):
    """Runs a program to its end within LIMIT, looking at it and at the server's process all the while."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as problems:
        before = cpu_seconds(server) if server else 0
        child = subprocess.Popen(
            command, stdout=said, stderr=problems, stdin=subprocess.DEVNULL, env=env, cwd=folder, preexec_fn=die_with_us
        )
        samples, peak, deadline = [], 0, time.monotonic() + LIMIT
        try:
            while True:
                ended, status, usage = os.wait4(child.pid, os.WNOHANG)
                if ended:
                    child.returncode = os.waitstatus_to_exitcode(status)
                    break
                samples.append((time.time_ns(), cpu_seconds(child.pid), cpu_seconds(server) if server else 0))
                peak = max(peak, peak_bytes(child.pid) or 0)
                if time.monotonic() > deadline:
                    raise Trouble(f"{command[0]} did not end within {LIMIT} s")
                time.sleep(SAMPLE)
        finally:
            if child.returncode is None:
                child.kill()
                child.wait()
        said.seek(0)
        problems.seek(0)
        text, trouble = said.read(), problems.read()
        if child.returncode not in good:
            told = " ".join((trouble.strip() or text.strip())[-400:].split())
            raise Trouble(f"{pathlib.Path(command[0]).name} ended with {child.returncode}: {told}")
        after = cpu_seconds(server) if server else 0
        return Done(text, usage.ru_utime + usage.ru_stime, after - before, peak, samples)


def priced(figures, done, interval=None):
    """Figures with what they cost an event: over the whole process, or over an interval of it."""
    client, server = done.between(*interval) if interval else (done.cpu_s, done.server_cpu_s)
    each = 1e6 / figures["events"]
    return figures | {"client_us": client * each, "server_us": server * each, "memory_mb": done.peak / 1e6}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(ready, process, log, seconds):
    """Waits for a server to be ready."""
    deadline = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Trouble(f"the broker is not ready: {log.read_text(errors='replace')[-600:]}")
        time.sleep(0.1)


class Server:
    """A broker of our own: on loopback, with a store that goes when it goes."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        self.log = folder / "broker.log"

    def launch(self, command, seconds):
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=die_with_us
            )
        atexit.register(self.end)
        until(self.answers, self.process, self.log, seconds)

    @property
    def pid(self):
        return self.process.pid

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def talk(self, send, size):
        """The first bytes of an answer; none where nobody answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as one:
                one.settimeout(1)
                one.sendall(send)
                return one.recv(size)
        except OSError:
            return b""


def said(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True).stdout.strip()
