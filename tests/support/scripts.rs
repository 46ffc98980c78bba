//! A directory with the shell scripts and what they need, where a fake command can stand for a real one. Tests that
//! need an engine are in tests/docker.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program::{CLIENT, SERVER};

pub const GEN: &str = env!("CARGO_BIN_EXE_gen");

/// A test's own directory, with copies of the files that the scripts need. The space in its name is part of the test, and
/// so are run bits that get lost: the copies have none.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new(test: &str) -> Self {
        let directory = super::directory(&format!("scripts/{test}/a root"));
        for name in ["bin", "docker", "server", "client", "templates", "target/release"] {
            fs::create_dir_all(directory.join(name)).unwrap();
        }
        fs::create_dir(directory.join("elsewhere")).unwrap();
        fs::write(directory.join("elsewhere/old"), "as it was").unwrap();
        fs::create_dir(directory.join("temporary files")).unwrap();
        for name in [
            "generar-compose.sh",
            "validar-echo-server.sh",
            "run-local.sh",
            "docker/base-images.sh",
            "docker/build.sh",
            "Makefile",
            "server/config.ini",
            "client/config.yaml",
            "gen.rs",
            "templates/compose.yaml",
            "templates/client.yaml",
            "templates/stack.yaml",
        ] {
            let original = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            fs::write(directory.join(name), fs::read(original).unwrap()).unwrap();
        }
        Self(directory)
    }

    /// Such a directory with the programs where `cargo build --release` puts them.
    pub fn built(test: &str) -> Self {
        let directory = Self::new(test);
        for (name, program) in [("server", SERVER), ("client", CLIENT), ("gen", GEN)] {
            symlink(program, directory.path("target/release").join(name)).unwrap();
        }
        directory
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names of what is in the directory `name`.
    pub fn names(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A fake command, which scripts find before the real one of the same name.
    pub fn fake(&self, name: &str, script: &str) {
        self.script(&format!("bin/{name}"), script);
    }

    pub fn script(&self, name: &str, script: &str) {
        let path = self.path(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A script that `shell` runs in elsewhere/. Its temporary files are in "temporary files", which has to be empty in
    /// the end.
    pub fn command(&self, shell: &str, script: &str, arguments: &[&str]) -> Command {
        // The machine's own timeout keeps the limit, and the script finds the test's commands first.
        let machine = std::env::var("PATH").unwrap();
        let path = format!("PATH={}:{machine}", self.path("bin").display());
        let mut command = Command::new("timeout");
        command.args(["--foreground", "--signal=KILL", "60", "env", &path, shell]);
        command.arg(self.path(script)).args(arguments);
        command.current_dir(self.path("elsewhere")).stdin(Stdio::null());
        command.env("TMPDIR", self.path("temporary files"));
        // The scripts look in target/release, wherever the user's cargo puts programs.
        command.env("CARGO_TARGET_DIR", "/nowhere").env("CARGO_BUILD_TARGET", "none");
        command
    }

    pub fn run(&self, script: &str, arguments: &[&str]) -> Ended {
        ended(&mut self.command("sh", script, arguments))
    }
}

/// What gen prints when a user runs it by hand.
pub fn gen_prints(arguments: &[&str]) -> String {
    let done = ended(Command::new(GEN).args(arguments));
    assert_eq!((done.status, done.stderr.as_str()), (0, ""), "{arguments:?}");
    done.stdout
}

#[derive(Debug)]
pub struct Ended {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command` to its end.
pub fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        status: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}
