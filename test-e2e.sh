#!/usr/bin/env bash
# The end-to-end test: the README's quick start, its history, a restart of the daemon, and a clean
# stop.
source "$(dirname "${BASH_SOURCE[0]}")/tests/scripts/common.sh"

build
cp -r "$root/examples" "$worktree/examples"

step "vm-system run, without a daemon"
ran=$("$binary" run "$root/examples/invoice.js" --args '{"customer": "Ada"}')
expect_in "invoice.js" "Invoice for Ada, 2 lines" "$ran"
expect_in "invoice.js" "total: 62.65" "$ran"
if "$binary" run "$worktree/missing.js" 2>"$work/stderr"; then
    fail "running a missing file succeeded"
fi
expect_in "a missing file" "missing.js" "$(cat "$work/stderr")"

start_daemon

step "the quick start"
created=$(vm template create --name quickstart --engine goja)
template=$(uuid "$created")
expect "template create" "Created template: quickstart (ID: $template)" "$created"
created=$(vm session create --template-id "$template" --workspace-id demo --base-commit HEAD --worktree-path "$worktree")
session=$(line "Created session" "$created")
first=$(vm exec run-file "$session" examples/primes.js)
expect_in "primes.js" "303 known, 302 of them new" "$first"
expect_in "primes.js again" "303 known, 0 of them new" "$(vm exec run-file "$session" examples/primes.js)"

step "an exception, and a script that never ends"
ran=$(vm exec repl "$session" 'missing + 1')
expect "status of an exception" error "$(line Status "$ran")"
expect_in "its error" "ReferenceError: missing is not defined at repl:1:1" "$(line Error "$ran")"
vm exec repl "$session" 'globalThis.ledger = [10, 20, 30]' >/dev/null
ran=$(vm exec run-file "$session" examples/runaway.js)
expect "status of runaway.js" timeout "$(line Status "$ran")"
expect_in "the ledger after it" '"json":[10,20,30]' "$(vm exec repl "$session" ledger)"

step "history and events"
execution=$(line "Execution ID" "$first")
events=$(vm exec events "$execution")
expect_in "events" '[1] input_echo: {"text":"examples/primes.js"}' "$events"
expect "executions in the history" 6 "$(vm exec list "$session" --output json | grep -o '"session_id"' | wc -l)"

step "errors"
if vm exec repl 00000000-0000-4000-8000-000000000000 1 2>"$work/stderr"; then
    fail "an unknown session ran code"
fi
expect_in "an unknown session" SESSION_NOT_FOUND "$(cat "$work/stderr")"
if "$binary" serve --listen 127.0.0.1:0 --db "$work/test.db" >/dev/null 2>"$work/stderr"; then
    fail "a second daemon started on the same database"
fi
expect_in "a second daemon" "$daemon" "$(cat "$work/stderr")"

step "a restart"
stop_daemon
start_daemon
expect "events after the restart" "$events" "$(vm exec events "$execution")"
expect_in "the session after the restart" '"status":"closed"' "$(vm session get "$session" --output json | tr -d ' ')"
if vm exec repl "$session" 1 2>"$work/stderr"; then
    fail "a closed session ran code"
fi
expect_in "a closed session" SESSION_NOT_READY "$(cat "$work/stderr")"
expect "template delete" "Deleted template: $template" "$(vm template delete "$template")"

step "a stop without leftovers"
stop_daemon
expect "the files beside the database" "test.db" "$(cd "$work" && ls -d test.db*)"
echo "end-to-end test passed"
