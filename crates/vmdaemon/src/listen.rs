//! The address that a daemon listens on: TCP, or a Unix socket in the file system.

use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use tokio::net::TcpListener;
use vmtransport_http::Listener;

/// The limit for waiting while another daemon creates or removes its socket in the same directory.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// The interval between two attempts to take the lock.
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// The prefix that marks an address as the path of a Unix socket.
const UNIX_PREFIX: &str = "unix:";

/// The address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `host:port`; port 0 lets the system choose a free port.
    Tcp(String),
    /// The path of a Unix socket, which only its owner can connect to.
    Unix(PathBuf),
}

impl From<String> for Listen {
    /// Text that begins with `unix:` is the path of a Unix socket; any other text is a TCP address.
    fn from(text: String) -> Self {
        match text.strip_prefix(UNIX_PREFIX) {
            Some(path) => Self::Unix(path.into()),
            None => Self::Tcp(text),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "{UNIX_PREFIX}{}", path.display()),
        }
    }
}

/// The address that a daemon is bound to.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf, FileId),
}

/// The identity of a file: its device number and its inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

impl Address {
    pub(crate) fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(..) => None,
        }
    }

    /// Whether clients on other machines can connect.
    pub(crate) fn is_exposed(&self) -> bool {
        self.tcp()
            .is_some_and(|address| !address.ip().is_loopback())
    }

    /// Removes the socket from the file system, unless another daemon has replaced it.
    pub(crate) fn clean_up(&self) {
        if let Self::Unix(path, own) = self
            && let Ok(_locked) = try_lock_directory_of(path)
            && std::fs::symlink_metadata(path).is_ok_and(|found| FileId::from(&found) == *own)
        {
            // A failure has no effect: the next daemon removes a stale socket.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path, _) => write!(f, "{UNIX_PREFIX}{}", path.display()),
        }
    }
}

/// Binds the address and starts to listen.
pub(crate) async fn open(listen: &Listen) -> io::Result<(Listener, Address)> {
    match listen {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address).await?;
            let address = Address::Tcp(listener.local_addr()?);
            Ok((Listener::Tcp(listener), address))
        }
        Listen::Unix(path) => {
            let _locked = lock_directory_of(path).await?;
            remove_stale(path)?;
            let listener = private_socket(path)?;
            listener.set_nonblocking(true)?;
            let listener = tokio::net::UnixListener::from_std(listener)?;
            let own = FileId::from(&std::fs::symlink_metadata(path)?);
            let path = std::path::absolute(path)?;
            Ok((Listener::Unix(listener), Address::Unix(path, own)))
        }
    }
}

/// Locks the directory of the socket, so that no other daemon creates or removes a socket there
/// while the lock is held. Waits up to [`LOCK_TIMEOUT`] for another daemon's lock.
async fn lock_directory_of(path: &Path) -> io::Result<Flock<File>> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match try_lock_directory_of(path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() >= deadline {
                    return Err(io::Error::other("another program has locked the directory"));
                }
                tokio::time::sleep(LOCK_RETRY_INTERVAL).await;
            }
            locked => return locked,
        }
    }
}

fn try_lock_directory_of(path: &Path) -> io::Result<Flock<File>> {
    let path = std::path::absolute(path)?;
    let directory = File::open(path.parent().unwrap_or(&path))?;
    let locked = Flock::lock(directory, FlockArg::LockExclusiveNonblock);
    locked.map_err(|(_, error)| error.into())
}

/// Removes a socket that no process listens on; any other file is an error.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?.file_type().is_socket(),
    };
    if !is_socket {
        return Err(io::Error::other("there is a file of that name"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Ok(_) => Err(io::Error::from(io::ErrorKind::AddrInUse)),
        Err(error) => Err(error),
    }
}

/// Creates a listening socket whose mode is 0600 from the start: on Linux the file takes the mode
/// of the descriptor that is bound.
fn private_socket(path: &Path) -> io::Result<UnixListener> {
    let socket = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::MAXCONN)?;
    Ok(UnixListener::from(socket))
}
