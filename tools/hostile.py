#!/usr/bin/env python3
"""Packs and runs a model under conditions that a test machine rarely has.

  python3 tools/hostile.py [--dir FOLDER] [--only NAME,NAME...]

Makes a model of random weights that is larger than the memory that its plan may
use, and tries one condition after the other. Each must give the tokens of the
plan that keeps all weights, or one line of error and the documented exit code.
One line is printed for each condition: "ok", "FAILED", or "skipped" with the
reason. The exit code is 1 if any has failed.

  limit-cut   the memory limit is lowered by 20 % while tokens are generated; at
              the end, the cgroup must accept the lower limit
  disk-busy   another process reads from the same disk all the time
  memlock     only 8 MiB of memory may be locked
  one-core    the process may use a single core
  kill        airpack is killed while it writes: nothing is left of the plan, and
              the next run makes it, byte for byte
  disk-full   the disk is too small for the plan: exit code 5, and nothing is left
  read-only   the file system cannot be written to: exit code 8
  tmpfs, ext4, overlay
              the plan is written to such a file system, and run from it

Needs root, because it mounts file systems (in a mount namespace of its own) and
makes a memory cgroup.
"""
import argparse
import hashlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIB = 2**20


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


class Cgroup:
    """A memory cgroup whose limit the processes in it read from an ordinary file.

    With version 1 of cgroups, a limit below the memory in use cannot be set, and
    with version 2 the system ends a process whose memory it cannot reclaim. So a
    process could never be seen to make room for a lower limit. Here the file with
    the limit is hidden below a bind mount, and set() changes what is mounted
    there.
    """

    def __init__(self, folder, limit):
        v1 = Path("/sys/fs/cgroup/memory")
        is_v1 = (v1 / "memory.limit_in_bytes").exists()
        self.path = (v1 if is_v1 else Path("/sys/fs/cgroup")) / f"airrun-hostile-{os.getpid()}"
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "tasks") if is_v1 else (
            "memory.max", "memory.current", "cgroup.procs")
        self.limit, self.usage, self.tasks = (self.path / name for name in names)
        try:
            self.path.mkdir()
            self.limit.write_text(str(limit))
        except OSError as error:
            raise Skipped(f"no memory cgroup can be made: {error}") from error
        self.real = os.open(self.limit, os.O_WRONLY)
        self.shown = folder / "limit"
        self.set(limit)
        mount("--bind", self.shown, self.limit)

    def set(self, limit):
        # This changes the existing file, because the process keeps it open and
        # would not see a new one.
        self.shown.write_text(f"{limit}\n")

    def enforce(self, limit):
        os.write(self.real, str(limit).encode())

    def enter(self):
        self.tasks.write_text(str(os.getpid()))

    def used(self):
        return int(self.usage.read_text())

    def close(self):
        os.close(self.real)
        subprocess.run(["umount", str(self.limit)], check=False)
        self.path.rmdir()


def mount(*arguments):
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise Skipped(f"mount {' '.join(map(str, arguments))}: {done.stderr.strip()}")


def sha(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Runs:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.model, self.plan = folder / "model.gguf", folder / "model.air"
        self.limit = int(args.memory * MIB)

    def tool(self, *command, **options):
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)

    def pack_command(self, output, ram=True):
        return [self.args.bin / "airpack", self.model, "--target", "host", "--ctx", 256, "--no-probe-cache",
                *(["--ram", self.limit] if ram else []), "--json", "-o", output]

    def pack(self, output, ram=True):
        done = self.tool(*self.pack_command(output, ram))
        expect(done.returncode == 0, f"airpack ended with {done.returncode}: {done.stderr.strip()}")

    def run_command(self, plan, tokens=16):
        return [str(part) for part in (self.args.bin / "airrun", plan, "--tokens", "1,42,7", "-n", tokens, "--temp", 0,
                                       "--ignore-eos", "--output-tokens")]

    def prepare(self):
        done = self.tool(self.args.bin / "air-gen", "--layers", self.args.layers, "--width", 1024, "--heads", 16,
                         "--kv-heads", 4, "--head-dim", 64, "--ffn", 4096, "--vocabulary", 4000, "--context", 256,
                         "--type", "Q8_0", "-o", self.model)
        expect(done.returncode == 0, done.stderr.strip())
        resident = self.folder / "resident.air"
        self.pack(resident, ram=False)
        self.expected = self.tool(*self.run_command(resident)).stdout.strip()
        expect(self.expected.count(",") == 15, f"the tokens are '{self.expected}'")
        resident.unlink()
        self.pack(self.plan)
        self.digest = sha(self.plan)
        self.same()

    def same(self, plan=None, **options):
        done = self.tool(*self.run_command(plan or self.plan), "--ram", self.limit, **options)
        expect(done.returncode == 0, f"airrun ended with {done.returncode}: {done.stderr.strip()}")
        expect(done.stdout.strip() == self.expected, f"other tokens: {done.stdout.strip()}")
        return "the same tokens"

    def refused(self, output, code):
        before = sorted(os.listdir(output.parent))
        done = self.tool(*self.pack_command(output))
        lines = done.stderr.strip().splitlines()
        expect(done.returncode == code and len(lines) == 1, f"exit code {done.returncode}: {done.stderr.strip()}")
        expect(sorted(os.listdir(output.parent)) == before, f"left: {os.listdir(output.parent)}")
        return f"exit code {code}: {lines[0]}"

    def mounted(self, name, *arguments):
        place = self.folder / name
        place.mkdir()
        mount(*arguments, place)
        return place

    # Each of the following methods, except `on`, tests one of CONDITIONS.

    def limit_cut(self):
        group = Cgroup(self.folder, self.limit)
        try:
            lower = self.limit * 4 // 5
            child = subprocess.Popen(self.run_command(self.plan), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     bufsize=0, preexec_fn=group.enter)
            head = child.stdout.read(1)  # waits for the first token
            group.set(lower)
            accepted = None
            while child.poll() is None and accepted is None:
                try:
                    group.enforce(lower)
                    accepted = group.used()
                except OSError:
                    time.sleep(0.002)
            out, errors = child.communicate()
            tokens = (head + out).decode().strip()
            expect(child.returncode == 0, f"airrun ended with {child.returncode}: {errors.decode().strip()}")
            expect(tokens == self.expected, f"other tokens: {tokens}")
            expect(accepted is not None, "the lower limit was not accepted before the end")
            return f"the same tokens; from {self.limit // MIB} to {lower // MIB} MiB, which was accepted"
        finally:
            group.close()

    def disk_busy(self):
        stop = threading.Event()

        def read():
            while not stop.is_set():
                with open(self.model, "rb", buffering=0) as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                    while not stop.is_set() and file.read(1 << 22):
                        pass

        reader = threading.Thread(target=read)
        reader.start()
        try:
            return self.same()
        finally:
            stop.set()
            reader.join()

    def memlock(self):
        return self.same(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (8 * MIB, 8 * MIB)))

    def one_core(self):
        return self.same(preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}))

    def kill(self):
        place = self.folder / "killed"
        place.mkdir()
        child = subprocess.Popen([str(part) for part in self.pack_command(place / "new.air")],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while child.poll() is None:
            with open(f"/proc/{child.pid}/io", encoding="ascii") as file:
                written = int(file.read().split("wchar: ")[1].split()[0])
            if written > self.plan.stat().st_size // 3:
                child.send_signal(signal.SIGKILL)
                break
            time.sleep(0.001)
        expect(child.wait() == -signal.SIGKILL, "airpack ended before it could be killed")
        left = os.listdir(place)
        expect(all(name.endswith(".tmp") for name in left), f"left: {left}")
        self.pack(place / "new.air")
        expect(os.listdir(place) == ["new.air"], f"left: {os.listdir(place)}")
        expect(sha(place / "new.air") == self.digest, "the second run wrote another plan")
        return f"{len(left)} files left; the next run wrote the same plan"

    def disk_full(self):
        size = self.plan.stat().st_size // 2
        return self.refused(self.mounted("full", "-t", "tmpfs", "-o", f"size={size}", "tmpfs") / "new.air", 5)

    def read_only(self):
        return self.refused(self.mounted("read-only", "-t", "tmpfs", "-o", "ro", "tmpfs") / "new.air", 8)

    def on(self, place):
        self.pack(place / "new.air")
        expect(sha(place / "new.air") == self.digest, "the plan differs")
        return "the same plan, and " + self.same(place / "new.air")

    def tmpfs(self):
        return self.on(self.mounted("tmpfs", "-t", "tmpfs", "tmpfs"))

    def ext4(self):
        image = self.folder / "ext4.img"
        with open(image, "wb") as file:
            file.truncate(self.plan.stat().st_size + 64 * MIB)
        try:
            done = self.tool("mkfs.ext4", "-q", image)
        except OSError as error:
            raise Skipped("mkfs.ext4 is not installed") from error
        expect(done.returncode == 0, done.stderr.strip())
        return self.on(self.mounted("ext4", "-t", "ext4", "-o", "loop", image))

    def overlay(self):
        below = self.folder / "below"
        for name in ("lower", "upper", "work"):
            (below / name).mkdir(parents=True)
        return self.on(self.mounted("overlay", "-t", "overlay", "-o",
                                    f"lowerdir={below}/lower,upperdir={below}/upper,workdir={below}/work", "overlay"))


CONDITIONS = ("limit-cut", "disk-busy", "memlock", "one-core", "kill", "disk-full", "read-only", "tmpfs", "ext4",
              "overlay")


def main():
    parser = argparse.ArgumentParser(prog="hostile.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, help="folder for the model and the plans (default: a temporary one)")
    parser.add_argument("--only", help="some of the conditions, separated by commas (default: all)")
    parser.add_argument("--layers", type=int, default=12, help="layers of the model, of 16 MB each (default 12)")
    parser.add_argument("--memory", type=float, default=144, metavar="MIB", help="memory of the plan (default 144)")
    parser.add_argument("--bin", type=Path, default=ROOT / "build/release/bin", help="folder of the programs")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else CONDITIONS
    for name in names:
        if name not in CONDITIONS:
            parser.error(f"--only: there is no condition '{name}'")
    if os.environ.get("AIR_HOSTILE_NAMESPACE") != "own":
        # In a mount namespace of its own, the script's mounts vanish when it
        # ends, even if it is killed.
        os.execvpe("unshare", ["unshare", "--mount", sys.executable, __file__, *sys.argv[1:]],
                   {**os.environ, "AIR_HOSTILE_NAMESPACE": "own"})
    failed = False
    with tempfile.TemporaryDirectory(prefix="air-hostile-", dir=args.dir) as folder:
        runs = Runs(args, Path(folder))
        mounts = Path(folder)
        try:
            runs.prepare()
            for name in names:
                try:
                    print(f"{name}: ok ({getattr(runs, name.replace('-', '_'))()})", flush=True)
                except Skipped as reason:
                    print(f"{name}: skipped ({reason})", flush=True)
                except Failed as reason:
                    print(f"{name}: FAILED ({reason})", flush=True)
                    failed = True
        except Failed as reason:
            print(f"preparation: FAILED ({reason})", flush=True)
            failed = True
        for name in ("full", "read-only", "tmpfs", "ext4", "overlay"):
            if (mounts / name).is_mount():
                subprocess.run(["umount", str(mounts / name)], check=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
