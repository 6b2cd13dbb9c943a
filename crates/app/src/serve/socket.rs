//! The control socket `DATA/control.sock`: where it lies, how it is made so that only the same user can open it, and how
//! a path longer than a socket address may be is reached all the same.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use syncline_engine::error::{Code, Error, Result};
use tokio::net::UnixListener;

const NAME: &str = "control.sock";

/// What fits into a socket address everywhere, with a little to spare.
const LONGEST: usize = 100;

/// Where it lies.
pub fn path(data: &Path) -> PathBuf {
    data.join(NAME)
}

/// A path short enough for a socket address, and the folder that must stay open while it is used.
pub struct Reach {
    /// What to bind or connect to.
    pub path: PathBuf,
    _folder: Option<File>,
}

/// How to reach `name` in `folder`: as it is, or through the open folder when that is too long.
pub fn reach(folder: &Path, name: &str) -> io::Result<Reach> {
    let direct = folder.join(name);
    if direct.as_os_str().len() <= LONGEST {
        return Ok(Reach { path: direct, _folder: None });
    }
    let open = File::open(folder)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", open.as_raw_fd()));
    Ok(Reach { path, _folder: Some(open) })
}

/// Makes the socket. It is bound in a folder of its own with mode 0700 and moved into place once its mode is 0600, so
/// there is no moment at which somebody else can open it; a socket left by a killed process is replaced.
pub fn bind(data: &Path) -> Result<UnixListener> {
    let make = || -> io::Result<UnixListener> {
        let private = data.join(format!(".control-{}", std::process::id()));
        DirBuilder::new().recursive(true).mode(0o700).create(&private)?;
        let reach = reach(&private, "s")?;
        let _ = std::fs::remove_file(&reach.path);
        let listener = UnixListener::bind(&reach.path)?;
        std::fs::set_permissions(&reach.path, Permissions::from_mode(0o600))?;
        std::fs::rename(private.join("s"), path(data))?;
        std::fs::remove_dir(&private)?;
        Ok(listener)
    };
    make().map_err(|e| {
        let message = format!("the control socket {} cannot be made", path(data).display());
        Error::new(Code::HttpBind, message)
            .cause(e)
            .fix("put `data:` on a local file system that you may write to")
    })
}
