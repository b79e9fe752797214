globalThis.order = [...(globalThis.order ?? []), "require"];
export function createRequire() {}
