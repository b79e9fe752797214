// `database`: the shape of the module over the calls to the session's database process, which has
// one SQLite connection.
(host) => {
  const { errors } = host;
  const call = (name, ...args) => host.call("database", name, ...args);
  const plain = (value) => {
    const prototype = Object.getPrototypeOf(value);
    return prototype === Object.prototype || prototype === null;
  };
  const parameter = (value) => {
    if (value instanceof Date) return value.toISOString();
    if (ArrayBuffer.isView(value) && !(value instanceof Uint8Array)) {
      return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    }
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    return value;
  };
  const parametersOf = (args) => {
    const [first] = args;
    if (args.length === 1 && Array.isArray(first)) return first.map(parameter);
    if (args.length === 1 && typeof first === "object" && first !== null && plain(first)) {
      return { named: Object.entries(first).map(([name, value]) => [name, parameter(value)]) };
    }
    return args.map(parameter);
  };
  const sqlOf = (sql) => {
    if (typeof sql !== "string") throw errors.type("sql", "of type string", sql);
    return sql;
  };
  const run = (name, sql, args) => {
    const parameters = parametersOf(args);
    if (!parameters.named) return call(name, sqlOf(sql), parameters);
    return call(name, sqlOf(sql), Object.fromEntries(parameters.named));
  };

  let depth = 0;
  const database = {
    configure(driver, dataSource) {
      call("configure", driver, dataSource);
      depth = 0;
    },
    query: (sql, ...args) => run("query", sql, args),
    exec: (sql, ...args) => run("exec", sql, args),
    close() {
      call("close");
      depth = 0;
    },
    transaction(work) {
      if (typeof work !== "function") throw errors.type("fn", "of type function", work);
      const own = depth;
      const step = (name) => call("transaction", name, own);
      step("begin");
      depth += 1;
      const discard = (error) => {
        depth -= 1;
        try {
          step("undo");
        } catch {
          // The transaction has ended already. The script gets the error that ended it.
        }
        throw error;
      };
      const keep = (value) => {
        try {
          step("commit");
        } catch (error) {
          // SQLite leaves the transaction open for another attempt, but none is made.
          return discard(error);
        }
        depth -= 1;
        return value;
      };
      let value;
      try {
        value = work(database);
      } catch (error) {
        return discard(error);
      }
      return value instanceof Promise ? value.then(keep, discard) : keep(value);
    },
  };
  host.modules.database = database;
}
