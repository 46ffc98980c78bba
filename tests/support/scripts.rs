//! A directory with the shell scripts and what they need, where a fake command can stand for a real one. Tests that
//! need an engine are in tests/docker.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
pub const PROGRAMS: [(&str, &str); 3] = [
    ("server", env!("CARGO_BIN_EXE_server")),
    ("client", env!("CARGO_BIN_EXE_client")),
    ("gen", env!("CARGO_BIN_EXE_gen")),
];

/// A test's own directory, with copies of the files that the scripts need. The space in its name is part of the test.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new(test: &str) -> Self {
        let directory =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("scripts").join(test).join("a root");
        let _ = fs::remove_dir_all(&directory);
        for name in ["bin", "docker", "server", "client", "templates", "target/release"] {
            fs::create_dir_all(directory.join(name)).unwrap();
        }
        for name in ["elsewhere", "temporary files"] {
            fs::create_dir(directory.join(name)).unwrap();
        }
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
            fs::copy(Path::new(ROOT).join(name), directory.join(name)).unwrap();
        }
        Self(directory)
    }

    /// Such a directory with the programs where `cargo build --release` puts them.
    pub fn built(test: &str) -> Self {
        let directory = Self::new(test);
        for (name, program) in PROGRAMS {
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

    pub fn command(&self, shell: &str, script: &str, arguments: &[&str]) -> Command {
        // The machine's own timeout keeps the limit, and the script finds the test's commands first.
        let path =
            format!("PATH={}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("timeout");
        command.args(["--foreground", "60", "env", &path, shell]);
        command.arg(self.path(script)).args(arguments);
        command.current_dir(self.path("elsewhere")).stdin(Stdio::null());
        command.env("TMPDIR", self.temporary());
        // The scripts look in target/release, wherever the user's cargo puts programs.
        command.env("CARGO_TARGET_DIR", "/nowhere").env("CARGO_BUILD_TARGET", "none");
        command
    }

    /// A directory for temporary files, which has to be empty in the end.
    pub fn temporary(&self) -> PathBuf {
        self.path("temporary files")
    }

    pub fn run(&self, script: &str, arguments: &[&str]) -> Ended {
        ended(self.command(shell_of(script), script, arguments).output().unwrap())
    }

    pub fn generate(&self, arguments: &[&str]) -> Ended {
        self.run("generar-compose.sh", arguments)
    }
}

/// The output of gen when a user runs it by hand.
pub fn gen_prints(arguments: &[&str]) -> String {
    let (_, program) = PROGRAMS[2];
    ended(Command::new(program).args(arguments).output().unwrap()).stdout
}

/// Puts BusyBox's applets before the commands of this machine. If there is no BusyBox, it says so and returns false.
pub fn busybox(directory: &Directory) -> bool {
    let mut install = Command::new("busybox");
    let made = install.args(["--install", "-s"]).arg(directory.path("bin")).status();
    let made = made.is_ok_and(|status| status.success());
    if !made {
        // Not eprintln!, which a test's success hides.
        let _ =
            writeln!(std::io::stderr(), "NOT TESTED: scripts with BusyBox: there is no busybox");
    }
    made
}

fn shell_of(script: &str) -> &'static str {
    if script == "run-local.sh" { "bash" } else { "sh" }
}

#[derive(Debug)]
pub struct Ended {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

pub fn ended(output: Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        status: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

pub fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
