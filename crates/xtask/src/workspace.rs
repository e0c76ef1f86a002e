//! Where things are.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders that the tasks use.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    cache: PathBuf,
}

impl Workspace {
    /// Finds the root above this crate, the target folder from where this program was built, and
    /// the user's cache folder.
    pub(crate) fn find() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .ok_or("crates/xtask is not two levels below the root")?
            .to_owned();
        // <target>/debug/xtask
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let target =
            program.ancestors().nth(2).ok_or("this program is not in a target folder")?.to_owned();
        let cache = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
            (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache).join("tidewire"),
            (_, Some(home)) => PathBuf::from(home).join(".cache/tidewire"),
            _ => target.join("cache"),
        };
        Ok(Self { root, target, cache })
    }

    /// A path inside the repository.
    pub(crate) fn root(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A path inside the target folder, for what cargo built there.
    pub(crate) fn target(&self, path: &str) -> PathBuf {
        self.target.join(path)
    }

    /// A path that outlives `cargo clean`, for what is installed from registries.
    pub(crate) fn cache(&self, path: &str) -> PathBuf {
        self.cache.join(path)
    }

    /// A folder for what a task leaves behind to be looked at: logs, reports, screenshots.
    pub(crate) fn results(&self, path: &str) -> Result<PathBuf, String> {
        let folder = self.target.join("xtask").join(path);
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(folder)
    }
}
