exports.seen = Object.keys(require("./first.js"));
