"""Finds or fetches the tools that are timed. What cannot be had is left out, with the reason."""
import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

from .images import SCRIPTS

CRANE_SUITE = "sid"  # the only Debian release with the program
E2FSPROGS_SUITE = "trixie"  # the first with mke2fs -d TAR
TAR2EXT4 = "github.com/Microsoft/hcsshim/cmd/tar2ext4@v0.9.10"  # the newest that Go 1.19 (bookworm) builds


class Tools:
    """paths: by name, what the command lines call; missing: by name, why it is left out."""

    def __init__(self, directory, layerpress):
        self.directory = os.path.join(directory, "tools")
        os.makedirs(self.directory, exist_ok=True)
        os.environ["PATH"] = f"{self.directory}/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
        os.makedirs(f"{self.directory}/bin", exist_ok=True)
        self.paths, self.missing = {"layerpress": layerpress}, {}

    def find(self, name):
        """The tool's path, or None with the reason in missing."""
        if name not in self.paths and name not in self.missing:
            fetch = {"new-mke2fs": self.fetch_mke2fs, "crane": self.fetch_crane, "tar2ext4": self.fetch_tar2ext4}
            path = fetch[name]() if name in fetch else shutil.which(name)
            if path:
                self.paths[name] = path
            else:
                self.missing.setdefault(name, f"{name} is not installed")
        return self.paths.get(name)

    def run(self, name, *command, **options):
        """Whether a command succeeded; the last line of its error becomes the reason."""
        ended = subprocess.run(command, capture_output=True, text=True, **options)
        if ended.returncode != 0:
            reason = (ended.stderr.strip().splitlines() or [f"ended with {ended.returncode}"])[-1]
            # Without the addresses that were asked.
            self.missing[name] = f"{name} cannot be had: {os.path.basename(command[0])}: {reason.split(': ')[-1][:100]}"
        return ended.returncode == 0

    def fetch_mke2fs(self):
        """An mke2fs that reads tars: 1.47.1 or newer, and libarchive beside it."""
        for _ in range(2):
            found = glob.glob(f"{self.directory}/e2fsprogs/*/mke2fs")
            for path in filter(None, [shutil.which("mke2fs"), *found]):
                if self.reads_tars(path):
                    return path
            if found:
                self.missing["new-mke2fs"] = "no mke2fs here reads tars: libarchive is missing"
                return None
            if not self.run("new-mke2fs", f"{SCRIPTS}/e2fsprogs-versions", f"{self.directory}/e2fsprogs",
                            E2FSPROGS_SUITE):
                return None
        return None

    @staticmethod
    def reads_tars(mke2fs):
        version = subprocess.run([mke2fs, "-V"], capture_output=True, text=True).stderr
        if tuple(map(int, re.findall(r"\d+", version)[:3])) < (1, 47, 1):
            return False
        with tempfile.TemporaryDirectory() as work:
            subprocess.run(["tar", "-C", work, "-cf", f"{work}/a.tar", "--files-from=/dev/null"], check=True)
            return subprocess.run([mke2fs, "-q", "-F", "-d", f"{work}/a.tar", f"{work}/a.img", "4M"],
                                  capture_output=True).returncode == 0

    def fetch_crane(self):
        unpacked = f"{self.directory}/crane"
        if not shutil.which("crane") and not os.path.exists(f"{unpacked}/usr/bin/crane"):
            if not self.run("crane", f"{SCRIPTS}/benchmark/foreign-packages", unpacked, CRANE_SUITE, "crane"):
                return None
        if not shutil.which("crane"):
            os.symlink(f"{unpacked}/usr/bin/crane", f"{self.directory}/bin/crane")
        return shutil.which("crane")

    def fetch_tar2ext4(self):
        if not shutil.which("tar2ext4"):
            if not shutil.which("go"):
                self.missing["tar2ext4"] = "tar2ext4 is neither installed nor is Go, which would build it"
                return None
            environment = {**os.environ, "GOBIN": f"{self.directory}/bin", "GOFLAGS": "-modcacherw",
                           "GOPATH": f"{self.directory}/go"}
            if not self.run("tar2ext4", "go", "install", TAR2EXT4, env=environment):
                return None
        return shutil.which("tar2ext4")


@contextlib.contextmanager
def dockerd(directory):
    """A daemon of its own (scripts/with-dockerd), reached by DOCKER_HOST; all it made is gone afterwards."""
    data = os.path.join(directory, f"docker-{os.getpid()}")
    process = subprocess.Popen([f"{SCRIPTS}/with-dockerd", data, "sh", "-c", 'echo "$DOCKER_HOST"; cat >&2'],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
                               env={**os.environ, "DOCKERD_OPTIONS": "--storage-driver=vfs"})
    try:
        host = process.stdout.readline().strip()
        if not host:
            sys.exit("error: dockerd did not start")
        yield {"DOCKER_HOST": host}
    finally:
        process.stdin.close()
        process.wait()


def container(archive, environment):
    """A container of the archive's image, created but not started."""
    def docker(*words):
        return subprocess.run(["docker", *words], check=True, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, **environment}).stdout
    loaded = docker("load", "--quiet", "--input", archive)
    return docker("create", loaded.split(": ", 1)[1].strip(), "/bin/true").strip()


def forget(name, environment):
    """Removes the container and all images, which take much room."""
    line = f'docker rm {name}; docker images --quiet | xargs docker rmi --force'
    subprocess.run(["sh", "-c", line], check=False, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
