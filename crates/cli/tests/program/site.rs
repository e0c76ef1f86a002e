//! A server that is not for trying things out, and its configuration.

use std::{env, fs, path::PathBuf, process};

use crate::process::{Program, run};

/// What tokens are signed with.
pub(crate) const SECRET: &str = "a secret of more than thirty-two bytes";

/// A configuration in a folder of its own, which goes with it.
pub(crate) struct Site {
    pub(crate) folder: PathBuf,
}

impl Site {
    pub(crate) fn new(name: &str, config: &str) -> Self {
        let folder = env::temp_dir().join(format!("tidewire-{name}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let site = Self { folder };
        fs::write(site.file(), config).unwrap();
        site
    }

    fn file(&self) -> String {
        self.folder.join("tidewire.toml").to_str().unwrap().to_owned()
    }

    /// A server, with its address.
    pub(crate) async fn serve(&self) -> (Program, String) {
        let file = self.file();
        let arguments = ["serve", "--config", &file, "--listen", "127.0.0.1:0", "--log", "debug"];
        let mut server = Program::start(&arguments);
        let url = server.line().await;
        let (_, address) = url.split_once("://").unwrap();
        (server, address.trim_end_matches('/').to_owned())
    }

    /// A token that is good here.
    pub(crate) async fn token(&self, arguments: &[&str]) -> String {
        let file = self.file();
        let made = run(&[&["token", "make", "--config", &file], arguments].concat(), "").await;
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        made.stdout.into_iter().next().unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It lies among the temporary ones.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
