// A file with arguments: the caller's data in, a table on the console, a value out.
//
//   vm-system run examples/invoice.js --args '{"customer": "Ada", "lines": [["tea", 2, 3.5], ["cake", 1, 4]]}'

var customer = __ARGS__.customer ?? "nobody in particular";
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
