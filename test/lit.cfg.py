# Configures the text tests of the compiler and the tools. To run them on a build:
#   /usr/lib/llvm-22/bin/lit -sv build/dev/test
# The build provides the tools; LLVM provides FileCheck, not, count and split-file.
import atexit
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile

import lit.formats

config.name = "airpack"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.air_build_dir, "test")

config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.air_build_dir, "bin"), config.llvm_tools_dir,
     os.environ.get("PATH", "")])
# --enable-var-scope hides a FileCheck variable of one test case from the next.
config.environment["FILECHECK_OPTS"] = "--enable-var-scope --dump-input-filter=all"
# A probe that the user has saved with `airrun probe --save`, and kernels that
# were compiled earlier, must not affect the tests. The tests of one run share
# the kernels that they compile.
cache = tempfile.mkdtemp(prefix="airpack-test-cache-")


def remove_cache(owner=os.getpid()):
    """Removes the cache when this process ends, but not when a child does."""
    if os.getpid() == owner:
        shutil.rmtree(cache, ignore_errors=True)


atexit.register(remove_cache)
config.environment["XDG_CACHE_HOME"] = cache
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

# The scripts of the end-to-end checks (test/e2e) run the programs that these
# variables name.
config.environment["AIRPACK"] = os.path.join(config.air_build_dir, "bin", "airpack")
config.environment["AIRRUN"] = os.path.join(config.air_build_dir, "bin", "airrun")

root = os.path.dirname(config.test_source_root)
config.substitutions += [
    ("%inputs", os.path.join(config.test_source_root, "Inputs")),
    ("%examples", os.path.join(root, "examples")),
    ("%root", root),
    ("%bin", os.path.join(config.air_build_dir, "bin")),
    ("%fakeplan", os.path.join(config.air_build_dir, "test-tools", "air-fake-plan")),
    ("%windows", os.path.join(config.air_build_dir, "test-tools", "air-windows")),
    ("%fakecuda", os.path.join(config.air_build_dir, "test-bin", "fake-cuda")),
    # Benchmarks that other programs may disturb: %again OUTPUT COMMAND...
    ("%again", f"{sys.executable} {os.path.join(config.test_source_root, 'tools', 'run_again.py')}"),
    ("%python", sys.executable),
]
# tools/test.sh builds this preset only if AIR_TEST_ALL is set. What an earlier
# run has built may be out of date.
runtime_only = os.path.join(root, "build", "runtime-only", "bin", "airrun")
if os.environ.get("AIR_TEST_ALL") and os.path.exists(runtime_only):
    config.available_features.add("runtime-only-build")
if config.air_sanitize:
    config.available_features.add("sanitizer")
for shell in ("fish", "zsh"):
    if shutil.which(shell):
        config.available_features.add(shell)

def may_be_another_user():
    """Whether this process is root and may continue as a user who is not."""
    if os.geteuid() != 0:
        return False
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65533)
            os.setuid(65533)
        except OSError:
            os._exit(1)
        # A test that runs as such a user needs the programs in the build's
        # folder, which may be closed to all users but root.
        os._exit(0 if os.access(config.air_build_dir, os.R_OK | os.X_OK) else 1)
    return os.waitpid(child, 0)[1] == 0


# Tests that need permissions or limits on processes run as another user,
# because root is exempt from both.
if may_be_another_user():
    config.available_features.add("other-user")
# Some containers do not permit mounts.
if subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
                  capture_output=True).returncode == 0:
    config.available_features.add("own-mounts")
# Few containers permit memory cgroups.
if subprocess.run([sys.executable, os.path.join(config.test_source_root, "tools", "memory_group.py")],
                  capture_output=True).returncode == 0:
    config.available_features.add("memory-cgroup")

# Nvrtc::open() (codegen/cuda/Nvrtc.h) looks for NVRTC in the same places.
for folder in ("", "/usr/local/cuda/lib64/"):
    for version in (13, 12):
        try:
            ctypes.CDLL(f"{folder}libnvrtc.so.{version}")
            config.available_features.add("nvrtc")
        except OSError:
            pass

# These inputs are too large for the tree, or must not be distributed with it
# (CONTRIBUTING.md says what the folders hold). A test that needs one says
# `REQUIRES: AIR_MODELS` or `REQUIRES: AIR_VECTORS`. If the variable is not set, lit
# skips the test and names the variable as the reason.
for variable, substitution in (("AIR_MODELS", "%models"), ("AIR_VECTORS", "%vectors")):
    folder = os.environ.get(variable)
    if folder:
        config.available_features.add(variable)
        config.environment[variable] = folder
        config.substitutions.append((substitution, folder))
