#!/usr/bin/env bash
# Does all that is needed to generate text on a fresh Debian 12: installs the
# missing packages, builds the release preset, and packs and runs the model that
# ships with the sources. A second run takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== 1/4 dependencies"
bash tools/install-deps.sh
echo "== 2/4 build (release, into build/release/bin; takes minutes the first time)"
cmake --preset release -DAIR_BUILD_TESTS=OFF >build-release.log 2>&1 || { tail -n 30 build-release.log >&2; exit 1; }
rm -f build-release.log
cmake --build --preset release
export PATH="$PWD/build/release/bin:$PATH"
echo "== 3/4 airpack examples/models/storyteller.gguf --target host -o storyteller.air"
airpack examples/models/storyteller.gguf --target host -o storyteller.air
echo "== 4/4 airrun storyteller.air -p \"Once upon a time\" -n 64"
airrun storyteller.air -p "Once upon a time" -n 64
echo
echo "Done. See build/release/bin/airrun --help and docs/ for more."
