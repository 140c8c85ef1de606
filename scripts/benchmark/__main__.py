"""Called by scripts/bench, whose first lines tell the options."""
import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import report
from .contenders import contenders
from .images import NUMBERED, take
from .mounted import bench_mounted
from .runner import Runner
from .self_test import self_test
from .tools import Tools, container, dockerd, forget


def arguments():
    parser = argparse.ArgumentParser(prog="bench", allow_abbrev=False)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--layerpress", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", default=",".join(NUMBERED))
    parser.add_argument("--only", type=re.compile, default=re.compile(""))
    parser.add_argument("--slow", type=float, default=10)
    parser.add_argument("--limit", type=int, default=600)
    parser.add_argument("--json")
    parser.add_argument("--markdown")
    parser.add_argument("--mounted", action="store_true")
    parser.add_argument("--make", action="store_true")
    given = parser.parse_args()
    given.images = given.images.split(",")
    unknown = [name for name in given.images if name not in NUMBERED and not os.path.isdir(name)]
    if unknown:
        parser.error(f"--images {unknown[0]}: expected {', '.join(NUMBERED)} or a directory of the three forms")
    if given.rounds < 1:
        parser.error(f"--rounds {given.rounds}: expected 1 or more")
    given.dir = os.path.abspath(given.dir)
    if re.search(r"\s", given.dir):
        parser.error(f"--dir {given.dir}: expected a path without white space")
    return given


def machine(tools):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        processor = re.search(r"model name\s*: (.*)", file.read())
    return {"processor": processor[1] if processor else platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release(), "layerpress": tools.find("layerpress"),
            "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())}


def main():
    given = arguments()
    say = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _: sys.exit(128 + caught))  # so that mounts and daemons go
    os.makedirs(given.dir, exist_ok=True)
    self_test()
    tools = Tools(given.dir, given.layerpress)
    if given.make:
        for name in given.images:
            image = take(name, given.dir)
            say(f"{name}: {image.title}, {image.content_mib:,} MiB in {len(image.reference):,} entries")
        return
    facts = machine(tools)
    told, documents = [f"{facts['time']}, {facts['cores']} × {facts['processor']}, Linux {facts['kernel']}", ""], []
    work = tempfile.mkdtemp(prefix="work-", dir=given.dir)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        environment = None
        for name in given.images:
            image = take(name, given.dir)
            chosen = [c for c in contenders() if given.only.search(f"{name}/{c.form}/{c.name}")]
            with_docker = any("docker" in c.tools for c in chosen) and tools.find("docker") and tools.find("dockerd")
            if with_docker:
                if environment is None:
                    environment = stack.enter_context(dockerd(given.dir))
                say(f"loading image {name} into dockerd")
                image.variables["CONTAINER"] = container(image.variables["ARCHIVE"], environment)
            runner = Runner(work, tools, environment or {}, given.limit, say)
            if given.mounted:
                text, document = bench_mounted(image, runner, chosen, given.rounds)
            else:
                results = runner.race(image, chosen, given.rounds, given.slow)
                text, document = report.markdown(image, results), report.document(image, results)
            if with_docker:
                forget(image.variables["CONTAINER"], environment)
            told.append(text)
            documents.append(document)
            # After each image, so that an interrupted run leaves what it has.
            if given.json:
                with open(given.json, "w", encoding="utf-8") as file:
                    json.dump({"machine": facts, "images": documents}, file, indent=1)
            if given.markdown:
                with open(given.markdown, "w", encoding="utf-8") as file:
                    file.write("\n".join(told))
    print("\n".join(told))


try:
    main()
except KeyboardInterrupt:
    sys.exit(130)
except subprocess.CalledProcessError as error:
    sys.exit(f"error: {error}")
