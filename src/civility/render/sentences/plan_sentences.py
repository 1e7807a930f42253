"""The words of a run's plan: what it computes on, and with how many threads."""

from civility.documents.run_environment import RecordedDevice, RecordedThreads
from civility.plain_text import count


def device_words(device: RecordedDevice, num_processes: int = 1) -> str:
    """Return the hardware of a run in a few words: ``2 x CPU, 4 threads``."""
    threads = f", {count(device.num_threads, 'thread')}" if device.num_threads else ""
    name = f"CPU{threads}" if device.kind == "cpu" else device.name
    return name if num_processes == 1 else f"{num_processes} x {name}"


def threads_words(threads: RecordedThreads) -> str:
    """Return why each process computes with this number of threads."""
    busy, fewer = "another process keeps this machine busy", f"{threads.num} of {threads.cores} threads"
    return {
        "text": threads.text,
        "recipe": "threads set by training.threads",
        "variable": f"threads set by {threads.text}",
        "resumed": "threads as before the interruption",
        "one_per_core": "one thread per core",
        "one_per_core_busy": f"one thread per core, though {busy}",
        "no_faster": f"{fewer}: more would not be faster",
        "busy": f"{fewer}: {busy} ({threads.cores} are {threads.times_slower:.1f} times slower)",
        "fewest_of_processes": "threads as on the process with the fewest",
    }[threads.why]
