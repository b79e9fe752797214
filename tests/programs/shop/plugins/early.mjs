import { later } from "./later.mjs";
export const value = later;
