#!/usr/bin/env python3
"""A memory cgroup for the processes of a test. Run as a program, it ends with 0 if such a cgroup can be made.

Needs root, and memory cgroups of version 1 or 2 that this process may change.
"""
import os
import sys
from pathlib import Path


class MemoryGroup:
    """A memory cgroup below the root of its hierarchy. Leaving the context removes it; no process may be in it then."""

    def __init__(self, limit):
        v1, v2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
        self.is_v1 = (v1 / "memory.limit_in_bytes").exists()
        self.folder = (v1 if self.is_v1 else v2) / f"airrun-test-{os.getpid()}"
        self.limit = self.folder / ("memory.limit_in_bytes" if self.is_v1 else "memory.max")
        self.bytes = limit

    def __enter__(self):
        self.folder.mkdir()
        try:
            self.limit.write_text(str(self.bytes))
        except OSError:
            self.folder.rmdir()
            raise
        return self

    def __exit__(self, *_):
        self.folder.rmdir()

    def enter(self):
        """Moves the calling process into the cgroup; meant for preexec_fn."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def used(self):
        return int((self.folder / ("memory.usage_in_bytes" if self.is_v1 else "memory.current")).read_text())


if __name__ == "__main__":
    try:
        with MemoryGroup(1 << 24):
            pass
    except OSError as error:
        sys.exit(f"no memory cgroup can be made: {error}")
