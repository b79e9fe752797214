import { value } from "./early.mjs";
export const later = value + 1;
