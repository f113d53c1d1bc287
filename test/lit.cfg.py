# Text tests of the compiler and the tools. To run them on a build:
#   /usr/lib/llvm-22/bin/lit -sv build/dev/test
# The tools are those of the build; FileCheck, not, count and split-file are LLVM's.
import os
import subprocess
import sys

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
# A FileCheck variable of one test case must not be visible in the next.
config.environment["FILECHECK_OPTS"] = "--enable-var-scope --dump-input-filter=all"
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

# The scripts of the end-to-end checks (test/e2e) run these programs.
config.environment["AIRPACK"] = os.path.join(config.air_build_dir, "bin", "airpack")
config.environment["AIRRUN"] = os.path.join(config.air_build_dir, "bin", "airrun")

root = os.path.dirname(config.test_source_root)
config.substitutions += [
    ("%inputs", os.path.join(config.test_source_root, "Inputs")),
    ("%examples", os.path.join(root, "examples")),
    ("%root", root),
    ("%bin", os.path.join(config.air_build_dir, "bin")),
    ("%fakeplan", os.path.join(config.air_build_dir, "test-tools", "air-fake-plan")),
    ("%python", sys.executable),
]
# tools/test.sh always builds it; whoever builds by hand may skip it.
if os.path.exists(os.path.join(root, "build", "runtime-only", "bin", "airrun")):
    config.available_features.add("runtime-only-build")
if config.air_sanitize:
    config.available_features.add("sanitizer")

def may_be_another_user():
    """Whether this process is root and may act as a user who is not."""
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
        # The build must not be in a folder that only root enters.
        os._exit(0 if os.access(config.air_build_dir, os.R_OK | os.X_OK) else 1)
    return os.waitpid(child, 0)[1] == 0


# Root is exempt from permissions and from limits on processes.
if may_be_another_user():
    config.available_features.add("other-user")
# Containers may not mount.
if subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
                  capture_output=True).returncode == 0:
    config.available_features.add("own-mounts")

# Inputs that are too large for the tree, or not ours to ship (CONTRIBUTING.md says
# what the folders hold). A test that needs one says `REQUIRES: AIR_MODELS` or
# `REQUIRES: AIR_VECTORS`, and lit names the variable as the reason why it was skipped.
for variable, substitution in (("AIR_MODELS", "%models"), ("AIR_VECTORS", "%vectors")):
    folder = os.environ.get(variable)
    if folder:
        config.available_features.add(variable)
        config.environment[variable] = folder
        config.substitutions.append((substitution, folder))
