# shellcheck shell=bash
# Functions of the test scripts at the top level: the build, a private daemon, and checks with clear
# messages. The scripts source this file. At the end, also after a failure, it removes all files and
# processes.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
worktree=$work/worktree
mkdir "$worktree"
daemon=

cleanup() {
    status=$?
    trap - EXIT
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    if [ $status -ne 0 ] && [ -s "$work/daemon.log" ]; then
        echo "--- the daemon's log:" >&2
        tail -n 40 "$work/daemon.log" >&2
    fi
    rm -rf "$work"
    exit $status
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

step() {
    echo "==> $*"
}

# expect WHAT EXPECTED GOT: fails unless EXPECTED and GOT are equal.
expect() {
    [ "$2" = "$3" ] || fail "$1"$'\n'"  expected: $2"$'\n'"  got:      $3"
}

# expect_in WHAT PART TEXT: fails unless TEXT contains PART.
expect_in() {
    case "$3" in
    *"$2"*) ;;
    *) fail "$1"$'\n'"  expected to contain: $2"$'\n'"  got: $3" ;;
    esac
}

build() {
    step "building"
    cargo build --quiet --manifest-path "$root/Cargo.toml" --workspace --bin vm-system --test cli
    binary=${CARGO_TARGET_DIR:-$root/target}/debug/vm-system
}

# Starts a daemon on a free port and sets $server to its URL.
start_daemon() {
    : >"$work/stdout"
    "$binary" serve --listen 127.0.0.1:0 --db "$work/test.db" --library-cache "$work/libraries" \
        >"$work/stdout" 2>>"$work/daemon.log" &
    daemon=$!
    server=
    for _ in $(seq 600); do
        server=$(sed -n 's/.*listening on \(http:[^ ]*\).*/\1/p' "$work/stdout")
        [ -z "$server" ] || return 0
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.1
    done
    fail "the daemon did not start: $(cat "$work/stdout" "$work/daemon.log")"
}

# Stops the daemon; fails unless it exits with status 0 and without remaining worker processes.
stop_daemon() {
    local workers
    workers=$(pgrep -P "$daemon" || true)
    kill -TERM "$daemon"
    wait "$daemon" || fail "the daemon ended with status $?"
    daemon=
    for pid in $workers; do
        ! kill -0 "$pid" 2>/dev/null || fail "the worker $pid outlived its daemon"
    done
}

vm() {
    "$binary" --server-url "$server" "$@"
}

# line NAME TEXT: prints the rest of the first line of TEXT that begins with `NAME: `.
line() {
    sed -n "s/^$1: //p" <<<"$2" | head -n 1
}

# uuid TEXT: prints the first id in TEXT.
uuid() {
    grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' <<<"$1" | head -n 1
}
