// `fs` and `fs/promises`: the shape of Node's modules over the calls that the daemon carries out.
// What is read is a text by default.
(host) => {
  const { errors } = host;
  const call = (name, ...args) => host.call("fs", name, ...args);

  const pathOf = (path, name = "path") => {
    if (typeof path === "string") return path;
    if (path instanceof Uint8Array) return host.decode(path);
    if (path instanceof URL) {
      if (path.protocol !== "file:") throw errors.coded(TypeError, "ERR_INVALID_URL_SCHEME", "The URL must be of scheme file");
      return decodeURIComponent(path.pathname);
    }
    throw errors.type(name, "of type string or an instance of Uint8Array or URL", path);
  };

  const encodingOf = (options) => {
    const encoding = typeof options === "string" || options === null ? options : options?.encoding;
    if (encoding === undefined || encoding === "utf8" || encoding === "utf-8") return "utf8";
    if (encoding === null || encoding === "buffer") return null;
    throw errors.value("encoding", encoding, "must be 'utf8', or null for bytes");
  };

  const dataOf = (data) => {
    if (typeof data === "string" || data instanceof Uint8Array) return data;
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    throw errors.type("data", "of type string or an instance of Uint8Array, TypedArray or DataView", data);
  };

  const flagOf = (options, usual) => {
    const flag = (typeof options === "object" && options !== null ? options.flag : undefined) ?? usual;
    if (!["w", "a", "wx", "ax"].includes(flag)) throw errors.value("flag", flag, "must be 'w', 'a', 'wx' or 'ax'");
    return flag;
  };

  const kinds = {
    isFile: "file",
    isDirectory: "directory",
    isSymbolicLink: "symlink",
  };
  class Stats {
    constructor({ kind, ...numbers }) {
      Object.assign(this, numbers);
      for (const name of ["atime", "mtime", "ctime", "birthtime"]) this[name] = new Date(this[`${name}Ms`]);
      Object.defineProperty(this, "kind", { value: kind });
    }
  }
  class Dirent {
    constructor(parentPath, { name, kind }) {
      this.name = name;
      this.parentPath = parentPath;
      Object.defineProperty(this, "kind", { value: kind });
    }
  }
  for (const [method, kind] of Object.entries(kinds)) {
    for (const Class of [Stats, Dirent]) {
      const test = { [method]() { return this.kind === kind; } };
      Object.defineProperty(Class.prototype, method, { value: test[method], writable: true, configurable: true });
    }
  }

  const stat = (path, options, follow) => {
    try {
      return new Stats(call("stat", pathOf(path), follow));
    } catch (error) {
      if (options?.throwIfNoEntry === false && error.code === "ENOENT") return undefined;
      throw error;
    }
  };

  const functions = {
    readFile(path, options) {
      return call("readFile", pathOf(path), encodingOf(options) !== null);
    },
    writeFile(path, data, options) {
      call("writeFile", pathOf(path), dataOf(data), flagOf(options, "w"));
    },
    appendFile(path, data, options) {
      call("writeFile", pathOf(path), dataOf(data), flagOf(options, "a"));
    },
    exists(path) {
      try {
        return call("exists", pathOf(path));
      } catch {
        return false;
      }
    },
    access(path) {
      call("stat", pathOf(path), true);
    },
    stat(path, options) {
      return stat(path, options, true);
    },
    lstat(path, options) {
      return stat(path, options, false);
    },
    readdir(path, options) {
      const { withFileTypes = false, recursive = false } = typeof options === "object" && options !== null ? options : {};
      const folder = pathOf(path);
      const entries = call("readdir", folder, Boolean(recursive));
      return entries.map((entry) => (withFileTypes ? new Dirent(folder, entry) : entry.name));
    },
    mkdir(path, options) {
      return call("mkdir", pathOf(path), Boolean(options?.recursive)) ?? undefined;
    },
    rm(path, options) {
      call("rm", pathOf(path), Boolean(options?.recursive), Boolean(options?.force));
    },
    rmdir(path) {
      call("rmdir", pathOf(path));
    },
    unlink(path) {
      call("unlink", pathOf(path));
    },
    rename(from, to) {
      call("rename", pathOf(from, "oldPath"), pathOf(to, "newPath"));
    },
    copyFile(from, to, mode = 0) {
      call("copyFile", pathOf(from, "src"), pathOf(to, "dest"), (mode & constants.COPYFILE_EXCL) !== 0);
    },
  };
  const constants = { F_OK: 0, X_OK: 1, W_OK: 2, R_OK: 4, COPYFILE_EXCL: 1 };

  const fs = { constants };
  const promises = { constants };
  for (const [name, operation] of Object.entries(functions)) {
    const shapes = {
      [`${name}Sync`]: (...args) => operation(...args),
      [name]: (...args) => {
        const done = args.pop();
        if (typeof done !== "function") throw errors.type("cb", "of type function", done);
        let outcome;
        try {
          const value = operation(...args);
          outcome = name === "exists" ? [value] : [null, value];
        } catch (error) {
          outcome = [error];
        }
        setTimeout(() => done(...outcome), 0);
      },
    };
    Object.assign(fs, shapes);
    promises[name] = { [name]: async (...args) => operation(...args) }[name];
  }
  fs.promises = promises;
  host.modules.fs = fs;
  host.modules["fs/promises"] = promises;
}
