# SPDX-License-Identifier: Apache-2.0
"""Stories of a script told again where the machine stood still, as tests/run does with a whole script.

    told = Telling()
    for name, story in stories:
        told.tell(name, story)

`story` is a function that returns what it found wrong, a list.  One that found something is told again only if the machine
itself stood still for STILL_MS or more while it was told (tests/stalls): then milliseconds were the machine's.  On a machine
that ran, what was found stands at once.
"""
import atexit
import os
import signal
import subprocess
import tempfile
import time

STILL_MS = 50
TELLINGS = 5
STALLS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "stalls")


class Watcher:
    """How long the machine stands still."""

    def __init__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="still-")
        self.file = f"{self.dir.name}/ms"
        # The signal must not end it before it knows what to do with it.
        self.watcher = subprocess.Popen([STALLS, self.file], stdin=subprocess.DEVNULL,
                                        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}))
        atexit.register(self.close)

    def close(self):
        if self.watcher.poll() is None:
            self.watcher.terminate()
            self.watcher.wait()

    def stood_still(self):
        """The longest in ms since the last time; 0 where it cannot be known."""
        if self.watcher.poll() is not None:
            return 0
        self.watcher.send_signal(signal.SIGUSR1)
        for _ in range(400):
            try:
                with open(self.file) as f:
                    ms = int(f.read())
                os.unlink(self.file)
                return ms
            except (FileNotFoundError, ValueError):
                time.sleep(0.005)
        return 0


class Telling(Watcher):
    def calm(self):
        """Until the machine has run for a second, or half a minute is over."""
        for _ in range(30):
            time.sleep(1)
            if self.stood_still() < STILL_MS:
                return

    def tell(self, name, story):
        self.stood_still()
        wrong = story()
        return self.again_if(self.stood_still(), name, story, wrong) if wrong else wrong

    def again_if(self, ms, name, story, wrong):
        """A story that was told once already, and what it found wrong then, while the machine stood still for ms."""
        telling = 1
        while wrong and ms >= STILL_MS and telling < TELLINGS:
            print(f"again: {name} ({'; '.join(map(str, wrong))[:300]}), but the machine stood still for {ms} ms", flush=True)
            self.calm()
            self.stood_still()
            wrong = story()
            ms = self.stood_still()
            telling += 1
        return wrong
