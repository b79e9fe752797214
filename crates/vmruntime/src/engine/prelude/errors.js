// Constructors of errors with a `code` and the words of Node.
(host) => {
  const shown = (value) => {
    if (value === null || value === undefined) return String(value);
    if (typeof value === "function") return `function ${value.name}`;
    if (typeof value === "object") return `an instance of ${value.constructor?.name ?? "Object"}`;
    return `type ${typeof value} (${typeof value === "string" ? `'${value}'` : String(value)})`;
  };
  const coded = (Class, code, message) => Object.assign(new Class(message), { code });
  host.errors = {
    coded,
    type: (name, expected, value) =>
      coded(TypeError, "ERR_INVALID_ARG_TYPE", `The "${name}" argument must be ${expected}. Received ${shown(value)}`),
    value: (name, value, reason) =>
      coded(TypeError, "ERR_INVALID_ARG_VALUE", `The argument '${name}' ${reason}. Received ${shown(value)}`),
  };
}
