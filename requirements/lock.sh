#!/bin/sh
# Recompute requirements/{build,run,test,lint}.txt from the ranges in pyproject.toml.
#
# Needs `uv` on PATH (only here: nothing else in the repository uses it). The files it writes are
# plain pip requirement files: exact versions, the SHA-256 of every published file for CPython 3.11
# and later on any platform, and no address. peers.txt is kept by hand: see its head.
#
#   requirements/lock.sh             keep the versions pinned now, where the ranges still allow them
#   requirements/lock.sh --upgrade   take the newest
set -eu
cd "$(dirname "$0")/.."
export UV_CUSTOM_COMPILE_COMMAND="requirements/lock.sh"

# One resolution for everything first, so that the four files agree wherever they overlap.
together=$(mktemp)
trap 'rm -f "$together"' EXIT
cat requirements/build.txt requirements/run.txt requirements/test.txt requirements/lint.txt \
    >"$together" 2>/dev/null || true
compile() {
    uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-sources "$@"
}
compile pyproject.toml --group build --group test --group lint \
    --output-file "$together" "$@"

lock() {
    name=$1
    shift
    compile "$@" --generate-hashes --constraint "$together" --output-file "requirements/$name.txt"
}
lock build --group build
lock run pyproject.toml
lock test pyproject.toml --group test
lock lint --group lint

if grep -nE '://|^--?(index|extra|find|trusted)' requirements/*.txt; then
    echo "requirements/lock.sh: an address got into the lines above; take it out" >&2
    exit 1
fi
