// Two files that require each other: the second sees what the first has exported so far.
exports.early = true;
const second = require("./second.js");
exports.seen = second.seen;
