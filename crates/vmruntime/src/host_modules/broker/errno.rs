//! The texts that Node has for the errors of the system.

/// The text for a code such as `ENOENT`.
pub(crate) fn text_of(code: &str) -> &'static str {
    match code {
        "EACCES" => "permission denied",
        "EBUSY" => "resource busy or locked",
        "EDQUOT" => "disk quota exceeded",
        "EEXIST" => "file already exists",
        "EFBIG" => "file too large",
        "EINVAL" => "invalid argument",
        "EISDIR" => "illegal operation on a directory",
        "ELOOP" => "too many symbolic links encountered",
        "EMFILE" => "too many open files",
        "EMLINK" => "too many links",
        "ENAMETOOLONG" => "name too long",
        "ENFILE" => "file table overflow",
        "ENOENT" => "no such file or directory",
        "ENOSPC" => "no space left on device",
        "ENOTDIR" => "not a directory",
        "ENOTEMPTY" => "directory not empty",
        "ENXIO" => "no such device or address",
        "EPERM" => "operation not permitted",
        "EROFS" => "read-only file system",
        "ETXTBSY" => "text file is busy",
        "EXDEV" => "cross-device link not permitted",
        _ => "i/o error",
    }
}
