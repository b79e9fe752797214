// A program of several modules: ES, CommonJS and JSON, a cycle, and imports at run time.
import { createRequire } from "./lib/require.js";
import catalogue from "./data/catalogue.json" with { type: "json" };
import * as money from "./lib/money.mjs";
import cart, { Cart } from "./lib/cart.js";
import legacy, { round, VERSION } from "./lib/legacy.cjs";
import { describe } from "./lib/describe.mjs";
import "./lib/effects.js";

console.log("order", globalThis.order);
console.log(Object.keys(catalogue), typeof createRequire);
console.log(money);
const basket = new Cart(catalogue.items);
basket.add("tea", 2);
basket.add("cup", 1);
console.log(cart.name, basket.total(), money.format(basket.total()));
console.log(legacy, round(2.345), VERSION);
console.log(describe(basket));
for (const name of catalogue.plugins) {
  const plugin = await import(`./plugins/${name}.js`);
  console.log(name, plugin.default(basket), Object.keys(plugin));
}
try {
  await import("./plugins/missing.js");
} catch (error) {
  console.log(error.code, error.name);
}
try {
  await import("./plugins/early.mjs");
} catch (error) {
  console.log(error.name);
}
console.log(import.meta.url.endsWith("/main.mjs"), import.meta.url.startsWith("file://"));
export {};
