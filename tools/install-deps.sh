#!/usr/bin/env bash
# Installs the packages that the build and the tests need and that are missing,
# from Debian's own archive: Debian 12 with its security suite, which has LLVM
# 22.
#   bash tools/install-deps.sh [--runtime-only]
#   bash tools/install-deps.sh --cuda [FOLDER]
# --cuda installs only NVIDIA's run-time compiler (NVRTC), from PyPI, into
# FOLDER (default: build/nvrtc). It compiles kernels for GPUs on machines
# without a CUDA toolkit. Its version is fixed here, since other versions
# produce other machine code.
set -euo pipefail

nvrtc=nvidia-cuda-nvrtc==13.0.88
if [ "${1:-}" = "--cuda" ]; then
  folder="${2:-$(dirname "$0")/../build/nvrtc}"
  python3 -m pip --version >/dev/null 2>&1 || { echo "error: pip is missing; install the package python3-pip" >&2; exit 1; }
  python3 -m pip install --quiet --no-deps --only-binary=:all: --upgrade --target "$folder" "$nvrtc"
  library="$(find "$folder" -name 'libnvrtc.so.13' | head -n 1)"
  [ -n "$library" ] || { echo "error: $nvrtc has no libnvrtc.so.13 below $folder" >&2; exit 1; }
  echo "NVRTC: $library"
  echo "airpack finds it with LD_LIBRARY_PATH=$(cd "$(dirname "$library")" && pwd)"
  exit 0
fi

# These packages are needed for formats, runtime and airrun.
runtime_packages=(cmake ninja-build clang-22 lld-22 flatbuffers-compiler
  libflatbuffers-dev libxxhash-dev libutf8proc-dev liburing-dev libzstd-dev
  libedit-dev nlohmann-json3-dev python3)
# These packages are needed for codegen, compiler (coinor-libclp-dev solves linear
# programs), airpack and air-bench (libbenchmark-dev). LLVM's CMake files need
# libffi-dev, libxml2-dev, zlib1g-dev and libzstd-dev.
compiler_packages=(llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools
  coinor-libclp-dev libbenchmark-dev
  libffi-dev libxml2-dev zlib1g-dev)
# These packages are needed for the tests: libclang-rt-22-dev has the sanitizers
# and libFuzzer, binutils has strip and nm, and qemu runs kernels for aarch64.
# lit is in llvm-22-tools.
test_packages=(libgtest-dev libgmock-dev libclang-rt-22-dev clang-format-22 binutils
  git qemu-user-static)

packages=("${runtime_packages[@]}")
if [ "${1:-}" != "--runtime-only" ]; then
  packages+=("${compiler_packages[@]}" "${test_packages[@]}")
fi

missing=()
for package in "${packages[@]}"; do
  if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$'; then
    missing+=("$package")
  fi
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "Dependencies: all ${#packages[@]} packages are installed."
  exit 0
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "error: ${#missing[@]} packages are missing, and installing them needs root or sudo: ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
echo "Dependencies: installing ${#missing[@]} packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
if ! "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/tmp/airpack-apt.$$ 2>&1; then
  tail -n 20 /tmp/airpack-apt.$$ >&2
  rm -f /tmp/airpack-apt.$$
  echo "error: apt-get could not install the packages. LLVM 22 comes from Debian 12's security suite: is bookworm-security in /etc/apt/sources.list?" >&2
  exit 1
fi
rm -f /tmp/airpack-apt.$$
