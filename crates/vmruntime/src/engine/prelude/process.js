// `process`, without what a script must not see: `env` has only the variables that the template
// names, and `cwd` is the worktree.
(host) => {
  const { define } = host;
  const process = {
    env: {},
    argv: ["vm-system"],
    platform: host.platform,
    versions: {},
    cwd: () => host.folder(),
    nextTick: (callback, ...args) => queueMicrotask(() => callback(...args)),
    uptime: () => host.now() / 1000,
    hrtime: Object.assign(
      (before) => {
        const now = host.now();
        let [seconds, nanoseconds] = [Math.floor(now / 1000), Math.floor((now % 1000) * 1e6)];
        if (before) {
          seconds -= before[0];
          nanoseconds -= before[1];
          if (nanoseconds < 0) [seconds, nanoseconds] = [seconds - 1, nanoseconds + 1e9];
        }
        return [seconds, nanoseconds];
      },
      { bigint: () => BigInt(Math.floor(host.now() * 1e6)) },
    ),
  };
  define({ process });
}
