"""Runs a program that must succeed."""
import argparse
import os
import subprocess


class CommandFailed(Exception):
    """A program that ended with an error, with the last line that it said."""


def run(*command, **options):
    """What the program wrote."""
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, errors="replace", **options)
    if ended.returncode != 0:
        lines = ended.stdout.strip().splitlines() or [f"ended with {ended.returncode}"]
        told = lines[0] if len(lines) == 1 else f"{lines[0]} ({len(lines)} lines, the last: {lines[-1]})"
        raise CommandFailed(f"{' '.join(command)[:200]}: {told}")
    return ended.stdout


def existing_program(path):
    """The absolute path of a program that an option names."""
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"{path}: expected a program")
    return os.path.abspath(path)
