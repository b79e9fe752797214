import format from "./money.mjs";
import { describe } from "./describe.mjs";
globalThis.order = [...(globalThis.order ?? []), "cart"];
export class Cart {
  #lines = new Map();
  constructor(items) {
    this.items = items;
  }
  add(id, count) {
    this.#lines.set(id, (this.#lines.get(id) ?? 0) + count);
  }
  total() {
    let sum = 0;
    for (const [id, count] of this.#lines) sum += this.items.find((item) => item.id === id).price * count;
    return sum;
  }
  toString() {
    return `cart of ${format(this.total())}`;
  }
}
export default function cart() {
  return describe(new Cart([]));
}
