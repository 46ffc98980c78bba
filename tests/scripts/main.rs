//! gen and the shell scripts, without Docker.

mod build;
mod compose_file;
mod generar_compose;
mod run_local;
mod validar_echo_server;

#[path = "../support/mod.rs"]
mod support;
