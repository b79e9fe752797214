// A file with arguments: it reads the caller's data, prints a table, and ends with a value.
//
//   vm-system run examples/invoice.js \
//       --args '{"customer": "Ada", "lines": [["tea", 2, 3.5], ["cake", 1, 4]]}'

var customer = __ARGS__.customer ?? "an unknown customer";
var lines = __ARGS__.lines ?? [
  ["keyboard", 1, 49.9],
  ["cable", 3, 4.25],
];

var rows = lines.map(([item, count, price]) => ({ item, count, price, sum: count * price }));
var total = rows.reduce((sum, row) => sum + row.sum, 0);

console.log("Invoice for %s, %i lines", customer, rows.length);
console.table(rows);
if (total > 1000) {
  console.warn("this is a large one");
}
({ customer, total });
