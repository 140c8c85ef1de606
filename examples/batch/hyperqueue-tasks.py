#!/usr/bin/env python3
"""Builds a list's images on HyperQueue (https://it4innovations.github.io/hyperqueue), a part of the list
for each task.

usage: hyperqueue-tasks.py LIST PARTS [OPTION...]     from where the outputs go; pip install hyperqueue

HQ_SERVER_DIR names the directory of a server that runs (default: HyperQueue's own); HQ_LOCAL=N starts one
here for this run, with N workers. What may go well on another try (exit code 9: the network) is submitted
again, twice; what is up to date by then is skipped. Same on the command line, without these tries:

    hq submit --array 0-7 -- sh -c 'exec layerpress build --list images.list --shard $HQ_TASK_ID/8'
"""
import contextlib
import os
import re
import sys
import tempfile

from hyperqueue import Client, Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

AGAIN = 9
TRIES = 3


def run(client, parts, command):
    """Runs these parts; the exit codes of those that failed."""
    job = Job(max_fails=None)
    tasks = {}
    for part in parts:
        shard = ["--shard", f"{part[0]}/{part[1]}"]
        name = f"layerpress-{part[0]}"
        task = job.program([*command, *shard], name=name, stdout=f"{name}.out", stderr=f"{name}.err",
                           cwd=os.getcwd(), env=dict(os.environ))
        tasks[task.task_id] = part
    submitted = client.submit(job)
    if client.wait_for_jobs([submitted], raise_on_error=False):
        return {}
    codes = {}
    for task, failed in client.get_failed_tasks(submitted).items():
        told = re.search(r"exit code (\d+)", failed.error)
        codes[tasks[task]] = int(told[1]) if told else failed.error
    return codes


def main(images, parts, *options):
    command = ["layerpress", "build", "--list", images, *options]
    with contextlib.ExitStack() as stack:
        if workers := int(os.environ.get("HQ_LOCAL", "0")):
            cluster = stack.enter_context(LocalCluster(stack.enter_context(tempfile.TemporaryDirectory())))
            for _ in range(workers):
                cluster.start_worker(WorkerConfig(cores=1))
            client = cluster.client()
        else:
            client = Client(os.environ.get("HQ_SERVER_DIR"))
        left = [(part, int(parts)) for part in range(int(parts))]
        failed = {}
        for _ in range(TRIES):
            codes = run(client, left, command)
            failed |= {part: code for part, code in codes.items() if code != AGAIN}
            left = [part for part, code in codes.items() if code == AGAIN]
            if not left:
                break
        failed |= {part: AGAIN for part in left}
    for (part, of), code in sorted(failed.items()):
        print(f"part {part} of {of}: exit code {code}, see layerpress-{part}.err", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
