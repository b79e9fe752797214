import { round } from "./legacy.cjs";
globalThis.order = [...(globalThis.order ?? []), `effects ${round(1.005)}`];
