globalThis.order = [...(globalThis.order ?? []), "money"];
export const CURRENCY = "EUR";
export const format = (amount) => `${amount.toFixed(2)} ${CURRENCY}`;
export { format as default };
