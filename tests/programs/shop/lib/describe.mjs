// Half of a cycle: the other half is complete when this is called.
import { Cart } from "./cart.js";
globalThis.order = [...(globalThis.order ?? []), "describe"];
export function describe(value) {
  return value instanceof Cart ? `<${value}>` : typeof value;
}
