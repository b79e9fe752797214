// A cache that persists: the second run of this file in a session finds the primes that the first
// run computed.
//
//   vm-system exec run-file SESSION examples/primes.js --args '{"upTo": 50000}'

globalThis.primes ??= [2];

function extend(upTo) {
  let computed = 0;
  for (let n = primes[primes.length - 1] + 1; n <= upTo; n++) {
    if (!primes.some((p) => p * p <= n && n % p === 0)) {
      primes.push(n);
      computed++;
    }
  }
  return computed;
}

var upTo = __ARGS__.upTo ?? 2000;
var computed = extend(upTo);
console.log(`primes up to ${upTo}: ${primes.length} known, ${computed} of them new`);
console.log("the last ten:", primes.slice(-10));
({ known: primes.length, computed });
