import { format } from "../lib/money.mjs";
export default (basket) => `audited ${format(basket.total())}`;
export const kind = "audit";
