"""A disk of one fault's own, as small as it needs to be: a tmpfs in the place of a folder."""

import errno
import os
import subprocess
import time

from .catalogue import NotHere

PAGE = os.sysconf("SC_PAGE_SIZE")
SMALL, ENOUGH = 1 << 20, 64 << 20
# Between two attempts of a sink that was refused.
A_TRY = 0.5


class OwnDisk:
    """As a context it is gone at the end, with what is on it."""

    def __init__(self, folder):
        self.folder, self.ballast = folder, os.path.join(folder, "ballast")

    def mount(self, size, *more):
        options = ",".join([*more, f"size={size}"])
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.folder], capture_output=True, text=True, check=False)

    def __enter__(self):
        mounted = self.mount(SMALL)
        if mounted.returncode != 0:
            raise NotHere(f"nobody may mount a disk on this machine: {mounted.stderr.strip()}")
        return self

    def __exit__(self, *_):
        # A run that is still about keeps its files, and the folder is free.
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    def resize(self, size):
        self.mount(size, "remount").check_returncode()

    def fill(self):
        with open(self.ballast, "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(PAGE))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def give_room(self, pages):
        """A page more at a time, so that writing fails at another place each time; then enough."""
        full = os.statvfs(self.folder)
        for more in range(1, pages + 1):
            self.resize(full.f_blocks * full.f_frsize + more * PAGE)
            time.sleep(A_TRY)
        self.resize(ENOUGH)
