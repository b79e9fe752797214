// A faulty script: it changes the session's state and then never ends. The daemon stops it at the
// time limit and rolls the session back, so that `ledger` has its value from before this file ran.
//
//   vm-system exec repl SESSION 'globalThis.ledger = [10, 20, 30]'
//   vm-system exec run-file SESSION examples/runaway.js     # Status: timeout
//   vm-system exec repl SESSION 'ledger'                    # [ 10, 20, 30 ]

globalThis.ledger ??= [];
ledger.length = 0;
console.log("the ledger is empty now:", ledger);
while (true) {
  ledger.push(Math.random());
  if (ledger.length > 1000) ledger.length = 0;
}
