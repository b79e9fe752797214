#!/usr/bin/env bash
# The smoke test: builds the binary, starts a private daemon and runs the main path once.
source "$(dirname "${BASH_SOURCE[0]}")/tests/scripts/common.sh"

build
start_daemon

step "health"
expect "ops health" '{"status":"ok"}' "$(vm ops health | tr -d ' \n')"

step "template, module and startup file"
template=$(uuid "$(vm template create --name smoke)")
[ -n "$template" ] || fail "template create printed no id"
expect "add-module" "Added module: fs to template $template" "$(vm template add-module "$template" --name fs)"
echo 'globalThis.greet = (name) => `hello ${name}`' >"$worktree/startup.js"
expect "add-startup" "Added startup file: startup.js (order: 10) to template $template" \
    "$(vm template add-startup "$template" --path startup.js)"

step "session"
created=$(vm session create --template-id "$template" --workspace-id smoke --base-commit none --worktree-path "$worktree")
session=$(line "Created session" "$created")
expect "session status" ready "$(line Status "$created")"

step "repl"
ran=$(vm exec repl "$session" 'console.log(greet("you")); 6 * 7')
expect "repl status" ok "$(line Status "$ran")"
expect_in "repl result" '"preview":"42"' "$(line Result "$ran")"
expect_in "repl events" 'console: {"level":"log","text":"hello you"}' "$ran"

step "run-file"
echo 'require("fs").writeFileSync("out.txt", __ARGS__.text); "written"' >"$worktree/write.js"
ran=$(vm exec run-file "$session" write.js --args '{"text": "by a script"}')
expect "run-file status" ok "$(line Status "$ran")"
expect "the written file" "by a script" "$(cat "$worktree/out.txt")"

step "roll-back"
ran=$(vm exec repl "$session" 'greet = null; while (true);')
expect "status of an endless loop" timeout "$(line Status "$ran")"
expect_in "the session after it" '"preview":"hello again"' "$(vm exec repl "$session" 'greet("again")')"

step "runtime summary and close"
expect_in "runtime summary" "$session" "$(vm ops runtime-summary)"
expect "close" "Closed session: $session" "$(vm session close "$session")"
expect_in "runtime summary after it" '"active_sessions":0' "$(vm ops runtime-summary | tr -d ' \n')"

stop_daemon
echo "smoke test passed"
