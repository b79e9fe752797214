const { clamp } = require("./util");
const numbers = require("./util/numbers.json");
globalThis.order = [...(globalThis.order ?? []), "legacy"];
exports.round = (value) => Math.round(value * numbers.factor) / numbers.factor;
exports.VERSION = clamp(7, 0, numbers.max);
exports.first = require("./util/first").seen;
