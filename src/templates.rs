//! The two files that `gen` prints: for Compose, and for `docker stack deploy`.
//!
//! The Compose file serves docker-compose 1.29 and Compose v2 alike. Hence no `version:` (1.29 takes a
//! file without one for its newest format, v2 calls the key obsolete), no top-level `name:` and no
//! `create_host_path:` (1.29 refuses both), and a plain list under `depends_on:`. No subnet either:
//! the engine's own pools hold more addresses than a bridge has ports, and a fixed subnet can collide
//! with one that is there.
//!
//! The stack file has the oldest `version:` that gives a config a `name:`, for engine 20.10. A stack has
//! no `security_opt:` and no bind mount that another node would lack. What docker/stack.sh sets is in
//! variables: a prefix for the images of a registry, how many clients to begin with, and a hash of each
//! settings file, since a config of one name can never change its content.
//!
//! Neither file has a `user:`, which the image sets, nor a variable that would shadow a settings file.

/// What every container has in common: the network, and no privilege it can do without.
const SERVICE: &str = "
x-service: &service
  networks:
    - testing_net
  read_only: true
  cap_drop:
    - ALL
";

/// The real name of the network, the same whatever the project is called: the validator joins it.
const NETWORKS: &str = "
networks:
  testing_net:
    name: tp0_testing_net
";

/// Attachable for the validator. Internal: without a second interface, on a bridge to the outside, a
/// container starts sooner. The default of an overlay is a /24, which is full with 254 containers.
const OVERLAY: &str = "    driver: overlay
    attachable: true
    internal: true
    ipam:
      config:
        - subnet: 10.213.0.0/16
";

/// The Compose file, with the settings files below `root`: an absolute path, or `.` for its own directory.
pub fn compose(clients: u64, root: &str) -> String {
    let mut file = format!("# One server and {clients} clients, written by generar-compose.sh.\n");
    file += SERVICE;
    file += "  security_opt:\n    - no-new-privileges:true\n";
    if clients > 0 {
        let source = source(root, "client/config.yaml");
        file += &format!(
            "
x-client: &client
  <<: *service
  image: client:latest
  entrypoint: /client
  volumes:
    - type: bind
      source: {source}
      target: /config.yaml
      read_only: true
  depends_on:
    - server
"
        );
    }
    let source = source(root, "server/config.ini");
    file += &format!(
        "
services:
  server:
    <<: *service
    container_name: server
    image: server:latest
    entrypoint: /server
    volumes:
      - type: bind
        source: {source}
        target: /config.ini
        read_only: true
"
    );
    for id in 1..=clients {
        file += &format!(
            "
  client{id}:
    <<: *client
    container_name: client{id}
    environment:
      - CLI_ID={id}
"
        );
    }
    file + NETWORKS
}

/// The file for `docker stack deploy`, with the settings files below `root`. Clients that have finished are not
/// run again; what updates the service by hand replaces all of them at once, and goes on where they end quickly.
pub fn stack(clients: u64, root: &str) -> String {
    let mut file = format!(
        "# One server and {clients} clients, written by generar-compose.sh --stack.

version: \"3.7\"
"
    );
    file += SERVICE;
    file += "
services:
  server:
    <<: *service
    image: ${IMAGE_PREFIX-}server:latest
    entrypoint: /server
    configs:
      - source: server
        target: /config.ini
    deploy:
      endpoint_mode: dnsrr
";
    if clients > 0 {
        file += &format!(
            "
  client:
    <<: *service
    image: ${{IMAGE_PREFIX-}}client:latest
    entrypoint: /client
    environment:
      - CLI_ID={{{{.Task.Slot}}}}
    configs:
      - source: client
        target: /config.yaml
    deploy:
      replicas: ${{REPLICAS-{clients}}}
      restart_policy:
        condition: on-failure
      update_config:
        parallelism: 0
        failure_action: continue
"
        );
    }
    file += "\nconfigs:\n";
    file += &config("server", &source(root, "server/config.ini"));
    if clients > 0 {
        file += &config("client", &source(root, "client/config.yaml"));
    }
    file + NETWORKS + OVERLAY
}

/// A config whose name must change with its content. No "-" in the message: the client would take it for the sign
/// of a default.
fn config(name: &str, source: &str) -> String {
    let variable = name.to_uppercase();
    format!(
        "  {name}:
    name: tp0_{name}_${{{variable}_HASH:?is not set; docker/stack.sh up sets it}}
    file: {source}
"
    )
}

fn source(root: &str, path: &str) -> String {
    match root {
        "." => format!("./{path}"),
        _ => quoted(&format!("{}/{path}", root.trim_end_matches('/'))),
    }
}

/// Line ends to YAML 1.1, and what no YAML file may hold as it is.
const UNPRINTABLE: [char; 5] = ['\u{2028}', '\u{2029}', '\u{feff}', '\u{fffe}', '\u{ffff}'];

/// A double-quoted YAML scalar (YAML 1.2.2 §5.7) that Docker's tools leave as it is: `$$` stands for `$`.
fn quoted(text: &str) -> String {
    let mut scalar = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => scalar.extend(['\\', c]),
            '$' => scalar.push_str("$$"),
            _ if c.is_control() || UNPRINTABLE.contains(&c) => {
                scalar += &format!("\\u{:04x}", u32::from(c));
            }
            _ => scalar.push(c),
        }
    }
    scalar.push('"');
    scalar
}
