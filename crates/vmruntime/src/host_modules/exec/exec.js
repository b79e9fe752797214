// `exec`: the shape of the module over the calls that run programs of the host.
(host) => {
  const { errors } = host;
  const strings = (args) => {
    if (!Array.isArray(args)) throw errors.type("args", "an instance of Array", args);
    for (const arg of args) if (typeof arg !== "string") throw errors.type("args", "an array of strings", arg);
    return args;
  };
  const optionsOf = (options = {}) => {
    const { cwd, env, input, timeout_ms, timeout, ...others } = options ?? {};
    const [unknown] = Object.keys(others).filter((name) => !["encoding", "stdio", "maxBuffer"].includes(name));
    if (unknown !== undefined) {
      throw errors.value("options", unknown, "may have cwd, env, input and timeout_ms");
    }
    const given = { cwd, env, input, timeout_ms: timeout_ms ?? timeout };
    return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null));
  };
  const start = (command, args, options) => {
    if (typeof command !== "string") throw errors.type("command", "of type string", command);
    if (args !== undefined && args !== null && !Array.isArray(args) && options === undefined) [args, options] = [[], args];
    return host.call("exec", "run", command, strings(args ?? []), optionsOf(options));
  };
  const quoted = (command) => JSON.stringify(command);

  const exec = {
    run(command, args, options) {
      const ended = start(command, args, options);
      if (ended.status === 0) return ended.output;
      const how = ended.timed_out
        ? "it took longer than timeout_ms"
        : ended.signal ? `signal: ${ended.signal}` : `exit status: ${ended.status}`;
      const { status, signal, stdout, stderr, output } = ended;
      const error = new Error(`exec.run(${quoted(command)}): ${how}\n${output}`.trimEnd());
      if (ended.timed_out) error.code = "ETIMEDOUT";
      throw Object.assign(error, { status, signal, stdout, stderr, output });
    },
    spawnSync(command, args, options) {
      try {
        const { status, signal, timed_out, stdout, stderr } = start(command, args, options);
        const result = { status, signal, output: [null, stdout, stderr], stdout, stderr };
        if (timed_out) result.error = errors.coded(Error, "ETIMEDOUT", `spawnSync ${command} ETIMEDOUT`);
        return result;
      } catch (error) {
        if (error.code !== "ENOENT" && error.code !== "EACCES") throw error;
        return { status: null, signal: null, output: null, stdout: null, stderr: null, error };
      }
    },
  };
  host.modules.exec = exec;
}
