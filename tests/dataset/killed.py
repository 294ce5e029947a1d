"""Kills a process while it creates a dataset, again and again: `python killed.py FOLDER TRIALS`.

Each trial forks a process that creates a dataset of eight subjects, alone or with two threads, and reports every one
that is done; it is killed a random while after none, one, ... or all of them are done, with the signal that cannot be
caught. Then the creation is resumed. What it prints as JSON is, per trial: whether the file was there, and how many
subjects were done, lost and made again.
"""

import json
import os
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mia_functional import dataset
from mia_functional.geometry import Geometry

COUNT = 8


def subjects(folder):
    """Subjects whose files hold only the seed of what is in them."""
    people = []
    for number in range(COUNT):
        path = folder / f"{number}.seed"
        path.write_text(str(number))
        people.append(
            dataset.Subject(name=f"S{number}", entries=(dataset.Entry(category="images", name="T1", path=str(path)),))
        )
    return people


def load(path):
    """Make a small volume of noise."""
    rng = np.random.default_rng(int(Path(path).read_text()))
    return rng.normal(size=(24, 24, 24)).astype(np.float32), Geometry(shape=(24, 24, 24), spacing=(1, 1, 1))


def create_and_report(path, people, descriptor, threads):
    """Create, and write the number of every subject that is done to a pipe."""

    def report(*call):
        os.write(descriptor, bytes([int(call[-1].removeprefix("S"))]))

    if threads == 1:
        dataset.create(path, people, load=load, progress=report)
    else:
        with ThreadPoolExecutor(threads) as pool:
            dataset.create(path, people, load=load, progress=report, executor=pool)


def killed_after(count, delay, path, people, threads):
    """Create in a new process, kill it a while after `count` subjects are done, and return those it had reported."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            create_and_report(path, people, writing, threads)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as stream:
        done = b""
        while len(done) < count and (number := stream.read(1)):
            done += number
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return done + stream.readall()


def trial(folder, people, expected, longest, count, threads):
    """Kill once after `count` subjects, look at what is there, resume, and compare."""
    path = folder / "cohort.h5"
    done = killed_after(count, random.uniform(0, longest / (1 if count == COUNT else COUNT)), path, people, threads)
    there = path.exists()
    whole = not there or path.read_bytes() == expected
    again = []

    def counted(name):
        again.append(Path(name).stem)
        return load(name)

    if not there:
        dataset.create(path, people, load=counted, resume=True)
    lost = sorted(set(again) & set(map(str, done)))
    outcome = {"done": len(done), "there": there, "whole": whole, "lost": lost, "same": path.read_bytes() == expected}
    left = [name for name in os.listdir(folder) if name.startswith(".")]
    for name in left:
        for entry in [*(folder / name).glob("*"), folder / name]:
            entry.rmdir() if entry.is_dir() else entry.unlink()
    path.unlink()
    return outcome


def main(folder, trials):
    """Run the trials and print what happened."""
    random.seed(0)
    people = subjects(folder)
    start = time.perf_counter()
    dataset.create(folder / "cohort.h5", people, load=load)
    longest = 1.6 * (time.perf_counter() - start)
    expected = (folder / "cohort.h5").read_bytes()
    (folder / "cohort.h5").unlink()
    plan = [(number % (COUNT + 1), 1 + number % 2) for number in range(trials)]
    print(json.dumps([trial(folder, people, expected, longest, *choice) for choice in plan]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
