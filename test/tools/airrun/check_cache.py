#!/usr/bin/env python3
"""check_cache.py INPUTS WORKDIR: airrun with a model instead of a plan.

airrun is copied beside a script called airpack, which records each call, so that the
test sees how often models are packed. The script runs the real airpack, or copies the
plan of an earlier call with the same model and options.
"""
import fcntl
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "airpack"))
import gguf_parts  # noqa: E402
import run_again  # noqa: E402

INPUTS, WORK = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
AIRPACK, AIRRUN = os.environ["AIRPACK"], os.environ["AIRRUN"]
shutil.rmtree(WORK, ignore_errors=True)
BIN, LONELY, CACHE = WORK / "bin", WORK / "lonely", WORK / "cache"
for folder in (BIN, LONELY):
    folder.mkdir(parents=True)
    shutil.copy(AIRRUN, folder / "airrun")
LOG = WORK / "log"
# This script takes the place of airpack. To save time, it copies the plan of an
# earlier call with the same model and options, if there is one. If there is none,
# or if AIR_TEST_REAL is set, it runs the real airpack.
KEPT = WORK / "kept"
KEPT.mkdir()
(BIN / "airpack").write_text(f"""#!/bin/sh
echo "$$ $*" >>'{LOG}'
if [ -n "$AIR_TEST_SLEEP" ]; then exec sleep "$AIR_TEST_SLEEP"; fi
before='' out='' choices=''
for word; do
  if [ "$before" = --output ]; then out=$word; else choices="$choices $word"; fi
  before=$word
done
kept='{KEPT}'/$(echo "$choices" | cat - "$1" | cksum | tr -d ' ')
if [ -z "$AIR_TEST_REAL" ] && [ -f "$kept" ]; then
  cp "$kept" "$out"
else
  '{AIRPACK}' "$@" || exit
  cp "$out" "$kept"
fi
""")
(BIN / "airpack").chmod(0o755)
PLANS = CACHE / "airpack" / "plans"
MODEL = WORK / "model.gguf"
shutil.copy(INPUTS / "models/tiny/yarn.gguf", MODEL)
OTHER = INPUTS / "models/tiny/nvfp4.gguf"
STORY = INPUTS.parent.parent / "examples/models/storyteller.gguf"
GREEDY = ("--tokens", "1,2,3", "-n", "8", "--temp", "0", "--ignore-eos", "--output-tokens")


def environment(**changes):
    env = {**os.environ, "XDG_CACHE_HOME": str(CACHE), **changes}
    return {name: value for name, value in env.items() if value is not None}


def start(*command, folder=BIN, env=None, code=0):
    done = run_again.run_again([folder / "airrun", *map(str, command)], stdin=subprocess.DEVNULL,
                               env=env or environment())
    assert done.returncode == code, (command, done)
    return done


def calls():
    return LOG.read_text().splitlines() if LOG.exists() else []


def packs(count, run):
    """Runs something that must call airpack `count` times; returns its result."""
    before = len(calls())
    result = run()
    assert len(calls()) - before == count, (count, calls()[before:])
    return result


def fails(code, text, *command, **options):
    done = start(*command, code=code, **options)
    assert len(done.stderr.splitlines()) == 1 and text in done.stderr and not done.stdout, done
    return done.stderr


def entries():
    return json.loads(start("cache", "list", "--json").stdout)


# The first start makes the plan. It gives the same text as a plan made by hand.
subprocess.run([AIRPACK, MODEL, "--target", "host", "-o", WORK / "by-hand.air"], check=True, capture_output=True)
expected = start(WORK / "by-hand.air", *GREEDY).stdout
first = packs(1, lambda: start(MODEL, *GREEDY))
assert first.stdout == expected and expected.count(",") == 7, (first, expected)
assert "progress" not in first.stderr and "\r" not in first.stderr, first.stderr
assert packs(0, lambda: start(MODEL, *GREEDY)).stdout == expected
(entry,) = entries()
assert entry["model"] == str(MODEL) and entry["options"] == "" and not entry["in_use"], entry
assert Path(entry["plan"]).read_bytes() == (WORK / "by-hand.air").read_bytes()
assert entry["bytes"] == os.path.getsize(entry["plan"]) and abs(entry["last_used"] - time.time()) < 600, entry

# A plan depends on the contents of the model, not on its name. All commands use
# the same plan.
MODEL.rename(WORK / "renamed.gguf")
assert packs(0, lambda: start(WORK / "renamed.gguf", *GREEDY)).stdout == expected
(WORK / "renamed.gguf").rename(MODEL)
packs(0, lambda: start("logits", MODEL, "--tokens", "1,2", "-o", WORK / "logits.f32"))
packs(0, lambda: start("bench", MODEL, "-p", 1, "-n", 1, "--rounds", 1))
assert os.path.getsize(WORK / "logits.f32") > 0

# Each choice of options has one plan, however the values are written.
ram = 1 << 30
for options in (("--ctx", "40"), ("--kv-type", "f32"), ("--slots", "2"), ("--ram", "1GiB")):
    packs(1, lambda: start(MODEL, *GREEDY, *options))
    packs(0, lambda: start(MODEL, *GREEDY, *options))
packs(0, lambda: start(MODEL, *GREEDY, f"--ram={ram}"))
assert sorted(e["options"] for e in entries()) == ["", "--ctx 40", "--kv-type f32", f"--ram {ram}", "--slots 2"]
fails(5, "room for 40", MODEL, "--tokens", ",".join(["1"] * 41), "--ctx", 40, "--output-tokens")
fails(2, "--ctx applies only to a GGUF file", WORK / "by-hand.air", *GREEDY, "--ctx", 40)
fails(2, "is a model itself; leave out --source", MODEL, *GREEDY, "--source", WORK)
fails(2, "--ram", MODEL, *GREEDY, "--ram", "much")

assert start("cache", "path").stdout == f"{PLANS}\n"
text = start("cache", "list").stdout.splitlines()
assert len(text) == 6 and text[-1].startswith("5 plans, ") and entry["key"][:12] in "".join(text), text
start("cache", "rm", entry["key"][:12])
assert len(entries()) == 4 and not list(PLANS.glob(entry["key"] + "*"))
fails(2, "0 plans have a key", "cache", "rm", entry["key"][:12])
fails(2, "either the KEY of a plan or --all", "cache", "rm")
fails(2, "not one of list, rm, path", "cache", "clear")
fails(2, "takes neither a KEY nor --all", "cache", "list", "x")
fails(2, "takes no --json", "cache", "path", "--json")
start("cache", "rm", "--all")
assert entries() == [] and not [p for p in PLANS.iterdir() if p.name != "digests.json"], list(PLANS.iterdir())
assert start("cache", "list").stdout == "0 plans, 0 B\n"

# If several processes start at once, one makes the plan.
before = len(calls())
together = [subprocess.Popen([BIN / "airrun", MODEL, *GREEDY], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, env=environment()) for _ in range(4)]
for child in together:
    out, errors = child.communicate(timeout=120)
    assert child.returncode == 0 and out == expected, (out, errors)
assert len(calls()) - before == 1, calls()[before:]

# A plan that is damaged, or belongs to another model, is made again.
(entry,) = entries()
plan = Path(entry["plan"])
good = plan.read_bytes()
described = plan.with_suffix(".json")
right = described.read_bytes()


def made_again(why):
    done = packs(1, lambda: start(MODEL, *GREEDY))
    notes = [line for line in done.stderr.splitlines() if line.startswith("note: ")]
    assert len(notes) == 1 and "is made again" in notes[0] and why in notes[0], done.stderr
    assert done.stdout == expected and plan.read_bytes() == good and described.read_bytes() == right
    packs(0, lambda: start(MODEL, *GREEDY))


def replace(path, data):
    """A new file, because a program that has mapped the old one must not be disturbed."""
    path.unlink()
    path.write_bytes(data)


replace(plan, good[:4200] + bytes([good[4200] ^ 1]) + good[4201:])
made_again("digest")
replace(plan, good[: len(good) // 2])
made_again("bytes")
replace(plan, b"GGUF" + bytes(5000))
made_again("not")
subprocess.run([AIRPACK, OTHER, "--target", "host", "-o", WORK / "other.air"], check=True, capture_output=True)
replace(plan, (WORK / "other.air").read_bytes())
made_again("is not the plan that was stored under this name")
described.unlink()
made_again("No such file")
replace(described, b"[]")
made_again("does not describe a cached plan")
plan.unlink()
made_again("No such file")

# Damage in the weights is found while they are read.
weights = next(s for s in json.loads(subprocess.run([AIRPACK, "inspect", plan, "--json"], check=True,
                                                    capture_output=True).stdout)["segments"] if s["kind"] == "Weights")
at = weights["offset"] + 8
replace(plan, good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
fails(6, "is made again at the next start", MODEL, *GREEDY)
assert packs(1, lambda: start(MODEL, *GREEDY)).stdout == expected

# If digests.json has another digest, another plan is made.
time.sleep(2.1)
start(MODEL, *GREEDY)
memory = PLANS / "digests.json"
files = json.loads(memory.read_text())
assert files, "no file is remembered"
changed = [{**f, "digest": "0" * 32} for f in files]
memory.write_text(json.dumps(changed))
packs(1, lambda: start(MODEL, *GREEDY))
memory.write_text("damaged")
packs(0, lambda: start(MODEL, *GREEDY))
# A model with other bytes has another plan, even if its size and time of
# modification stay the same.
facts = os.stat(MODEL)
data = MODEL.read_bytes()
MODEL.write_bytes(data[:-4] + bytes([data[-4] ^ 1]) + data[-3:])
os.utime(MODEL, ns=(facts.st_atime_ns, facts.st_mtime_ns))
packs(1, lambda: start(MODEL, *GREEDY))
MODEL.write_bytes(data)
packs(0, lambda: start(MODEL, *GREEDY))

# Without airpack, plans that it made before can still be used.
nowhere = environment(PATH=str(WORK))
assert start(MODEL, *GREEDY, folder=LONELY, env=nowhere).stdout == expected
fails(4, "install airpack", MODEL, *GREEDY, "--ctx", 41, folder=LONELY, env=nowhere)
# airpack is also found in PATH.
packs(0, lambda: start(MODEL, *GREEDY, folder=LONELY, env=environment(PATH=f"{BIN}:{os.environ['PATH']}")))

# XDG_CACHE_HOME or HOME says where the cache is.
NO_FOLDER = "HOME is not set, and XDG_CACHE_HOME is not set to an absolute path"
for relative in (None, "", "cache"):
    fails(2, NO_FOLDER, MODEL, *GREEDY, env=environment(XDG_CACHE_HOME=relative, HOME=None))
home = environment(XDG_CACHE_HOME=None, HOME=str(WORK / "home"))
packs(1, lambda: start(MODEL, *GREEDY, env=home))
packs(0, lambda: start(MODEL, *GREEDY, env=home))
assert (WORK / "home/.cache/airpack/plans").is_dir()
# Only the owner may use the folder, whatever the umask is. If others may write
# to it, no plan in it is run.
plans = WORK / "home/.cache/airpack/plans"
assert plans.stat().st_mode & 0o777 == 0o700, oct(plans.stat().st_mode)
plans.chmod(0o770)
fails(8, "other users may write to the folder", MODEL, *GREEDY, env=home)
plans.chmod(0o700)
if os.geteuid() == 0:
    os.chown(plans, 12345, -1)
    fails(8, "belongs to user 12345, but this process runs as user 0", MODEL, *GREEDY, env=home)
    os.chown(plans, 0, -1)
(WORK / "blocked").write_text("")
fails(8, "cannot create the folder", MODEL, *GREEDY, env=environment(XDG_CACHE_HOME=str(WORK / "blocked")))

# AIR_CACHE_MAX limits the cache. If a model is larger than that, its plan
# leaves the weights in the model's file.
fails(2, "AIR_CACHE_MAX: ", MODEL, *GREEDY, "--ctx", 42, env=environment(AIR_CACHE_MAX="many"))
start("cache", "rm", "--all")
small = environment(AIR_CACHE_MAX="1000")
assert packs(1, lambda: start(MODEL, *GREEDY, env=small)).stdout == expected
assert "--reference" in calls()[-1], calls()[-1]
assert packs(0, lambda: start(MODEL, *GREEDY)).stdout == expected
assert entries()[0]["bytes"] < len(good)
MODEL.rename(WORK / "renamed.gguf")
assert packs(0, lambda: start(WORK / "renamed.gguf", *GREEDY)).stdout == expected
(WORK / "renamed.gguf").rename(MODEL)
start("cache", "rm", "--all")
limited = environment(AIR_CACHE_MAX=str(len(good) + len(data)))
for context in (40, 41, 42):
    packs(1, lambda: start(MODEL, *GREEDY, "--ctx", context, env=limited))
assert [e["options"] for e in entries()] == ["--ctx 42"], entries()
assert "--reference" not in calls()[-1]

# A plan is made even if it alone is over the limit. A note says so.
start("cache", "rm", "--all")
done = packs(1, lambda: start(MODEL, *GREEDY, env=small))
notes = [line for line in done.stderr.splitlines() if line.startswith("note: ")]
assert len(notes) == 1 and "more than the limit of 1000 B" in notes[0] and "AIR_CACHE_MAX" in notes[0], done.stderr
assert "--source" not in done.stderr, done.stderr
start("cache", "rm", "--all")
packs(1, lambda: start(MODEL, *GREEDY, "--ctx", 42))

# A folder does not count as a plan. If one entry cannot be removed, the others
# still are.
strange = PLANS / ("0" * 32 + ".air")
strange.mkdir()
assert len(entries()) == 1
stuck = PLANS / ("1" * 32 + ".json")
stuck.write_text("{}")
stuck.with_suffix(".lock").mkdir()
(PLANS / ("f" * 32 + ".json")).write_text("{}")
fails(8, "1" * 32, "cache", "rm", "--all")
assert [e["key"] for e in entries()] == ["1" * 32], entries()
strange.rmdir()
stuck.with_suffix(".lock").rmdir()
stuck.unlink()
packs(1, lambda: start(MODEL, *GREEDY, "--ctx", 42))

# A plan in use is not removed. A start that needs a plan waits while another
# process makes it.
(used,) = entries()
with open(Path(used["plan"]).with_suffix(".lock")) as lock:
    fcntl.flock(lock, fcntl.LOCK_SH)
    assert entries()[0]["in_use"]
    fails(8, "is in use", "cache", "rm", used["key"])
    assert "is in use, so it is not removed" in start("cache", "rm", "--all").stderr
    assert len(entries()) == 1
    fcntl.flock(lock, fcntl.LOCK_EX)
    waiting = subprocess.Popen([BIN / "airrun", MODEL, *GREEDY, "--ctx", "42"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=environment())
    assert waiting.stderr.readline().startswith("note: waiting for another process"), waiting.communicate()
    fcntl.flock(lock, fcntl.LOCK_UN)
    assert waiting.communicate()[0] == expected and waiting.returncode == 0

parts = gguf_parts.split(gguf_parts.Model(MODEL), WORK / "part", 3)
for env, where in ((environment(), "stays"), (small, "--reference")):
    start("cache", "rm", "--all")
    assert packs(1, lambda: start(parts[0], *GREEDY, env=env)).stdout == expected
    assert packs(0, lambda: start(parts[0], *GREEDY, env=env)).stdout == expected
    assert (where in calls()[-1]) == (where == "--reference"), calls()[-1]
here = os.getcwd()
os.chdir(WORK)
assert packs(0, lambda: start(Path(parts[0]).name, *GREEDY)).stdout == expected
os.chdir(here)
fails(2, "part", parts[1], *GREEDY)

# airrun reports an error of airpack as its own, and keeps no plan.
start("cache", "rm", "--all")
(WORK / "short.gguf").write_bytes(data[: len(data) // 2])
message = fails(3, "short.gguf", WORK / "short.gguf", *GREEDY)
assert message.startswith("airrun: ") and "airpack" not in message, message
assert [p.name for p in PLANS.iterdir() if p.name != "digests.json"] == [], list(PLANS.iterdir())

# Mistakes that depend on the model are found before it is packed.
for code, text, *command in (
    (2, "--tokens: token 999999 at index 1 is outside the vocabulary of", MODEL, "--tokens", "1,999999"),
    (2, "--tokens: token 999999 at index 0", "logits", MODEL, "--tokens", "999999", "-o", WORK / "logits.f32"),
    (2, "the logit bias is for token 999999, but the vocabulary has only the tokens 0 to", MODEL, *GREEDY, "--logit-bias", "999999+1"),
    (2, "--stop: an empty stop string", MODEL, *GREEDY, "--stop", ""),
    (2, "entry 1 is 'x'", MODEL, "--tokens", "1,x"),
    (3, "grammar: line 1, column 10: rule 'x' is not defined", STORY, "-p", "a", "--grammar", "root ::= x"),
    (3, "the schema: it is not valid JSON", STORY, "-p", "a", "--json-schema", "{"),
    (4, "the model has no chat template", "chat", STORY, "-p", "a"),
):
    packs(0, lambda: fails(code, text, *command))
assert [p.name for p in PLANS.iterdir() if p.name != "digests.json"] == [], list(PLANS.iterdir())

# Ctrl-C while a model is packed leaves no file. lit ignores this signal, and
# airrun leaves an ignored signal ignored.
before = len(calls())
child = subprocess.Popen([BIN / "airrun", MODEL, *GREEDY], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         env=environment(AIR_TEST_SLEEP="600"),
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
while len(calls()) == before:
    time.sleep(0.02)
child.send_signal(signal.SIGINT)
assert child.wait(timeout=60) == -signal.SIGINT
assert [p.name for p in PLANS.iterdir() if p.name != "digests.json"] == [], list(PLANS.iterdir())

# If airrun is killed, airpack ends, too, and the next start makes the plan.
child = subprocess.Popen([BIN / "airrun", MODEL, *GREEDY], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         env=environment(AIR_TEST_SLEEP="600"))
before = len(calls())
while len(calls()) == before:
    time.sleep(0.02)
packer = int(calls()[-1].split()[0])
child.send_signal(signal.SIGKILL)
child.wait()
for _ in range(200):
    try:
        state = Path(f"/proc/{packer}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        break
    if state == "Z":
        break
    time.sleep(0.05)
else:
    sys.exit(f"airpack ({packer}) still runs")
assert packs(1, lambda: start(MODEL, *GREEDY)).stdout == expected

# A terminal shows how far airpack has come, in a line that is erased at the
# end.
start("cache", "rm", "--all")
control, terminal = pty.openpty()
child = subprocess.Popen([BIN / "airrun", MODEL, *GREEDY], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=terminal, env=environment(AIR_TEST_REAL="1"))
os.close(terminal)
shown = b""
while True:
    try:
        part = os.read(control, 4096)
    except OSError:  # the terminal has been closed
        break
    if not part:
        break
    shown += part
out = child.communicate()[0].decode()
assert child.returncode == 0 and out == expected, (out, shown)
lines = shown.decode().split("\r")
assert any(line.startswith("compiling kernels ...") for line in lines), shown
assert any(line.startswith("packing [") and "100 %" in line for line in lines), shown
assert "progress" not in shown.decode(), shown
assert shown.decode().rfind("\x1b[K") > shown.decode().rfind("packing"), shown
shutil.rmtree(WORK)
print("models run from the cache")
