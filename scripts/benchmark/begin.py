"""What measurements of one stack image begin with."""
import os
import signal
import sys

from .command import run

SCRIPTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def say(line):
    print(line, file=sys.stderr, flush=True)


def begin(directory, image):
    """Makes the directory, and gives the image's name: that of the stack image, made once in there, where none was
    named. From now on a signal to end is an exit, so that mounts and devices go."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _: sys.exit(128 + caught))
    os.makedirs(directory, exist_ok=True)
    if image is not None:
        return image
    stack = os.path.join(directory, "stack")
    run(f"{SCRIPTS}/stack-image", stack)
    return f"docker-archive:{stack}/docker.tar"
