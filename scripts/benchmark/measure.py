"""One whole process, measured: wall and processor time, peak memory, bytes written."""
import dataclasses
import os
import signal
import subprocess
import time


@dataclasses.dataclass
class Sample:
    """seconds are wall time; processor_seconds are user and system time of all its processes; peak_kib is
    the largest process; written_bytes are those of pages made dirty (what another machine's daemon or a
    loop device writes on behalf is not in them); output_bytes is what the output takes on the disk."""
    seconds: float
    processor_seconds: float
    peak_kib: int
    read_bytes: int
    written_bytes: int
    output_bytes: int = 0


def wait_for_group(group, seconds=60):
    """Waits until no process of the group is left: what was stopped may have to unmount first."""
    for _ in range(seconds * 10):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)


class Failed(Exception):
    """A command that ended with an error, ran too long, or left no output."""


def warm(paths):
    """Brings files into the page cache."""
    for path in paths:
        names = [path] if os.path.isfile(path) else [os.path.join(folder, file) for folder, _, files in os.walk(path)
                                                     for file in files]
        for name in names:
            if os.path.islink(name) or not os.path.isfile(name):
                continue
            with open(name, "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass


def measure(command, log, limit_seconds, environment=None):
    """Runs a command line (a list) to its end. Its output goes to the file log."""
    peak = log + ".peak"
    # GNU time is the parent: a child of this large process would inherit its peak.
    line = ["/usr/bin/time", "--quiet", "-o", peak, "-f", "%M", *command]
    with open(log, "wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   env={**os.environ, **(environment or {})}, start_new_session=True)
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGTERM))
        signal.alarm(limit_seconds)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            wait_for_group(process.pid)
            raise
        finally:
            seconds = time.perf_counter() - start
            signal.alarm(0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if seconds >= limit_seconds:
        wait_for_group(process.pid)
        raise Failed(f"took more than {limit_seconds} s")
    if process.returncode != 0:
        with open(log, errors="replace") as text:
            lines = [" ".join(line.split()) for line in text if line.strip() and "Exiting with failure" not in line]
        # One cause has many consequences in tar's output.
        lines = [line for line in lines if "No space left" in line][:1] or lines
        raise Failed(lines[-1][:160] if lines else f"ended with {process.returncode}")
    with open(peak) as text:
        peak_kib = int(text.read().split()[-1])
    return Sample(seconds, usage.ru_utime + usage.ru_stime, peak_kib, usage.ru_inblock * 512, usage.ru_oublock * 512)
