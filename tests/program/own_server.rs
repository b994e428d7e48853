//! A run on a user's nats-server and nats-server.conf, which tickgate starts.

use crate::support;
use crate::support::program::{Place, balances};

#[test]
fn a_server_has_the_settings_of_their_configuration_and_what_it_has_not_is_named() {
    let place = Place::new();
    let config = "port: 4222\nhttp_port: 8222\nmax_payload: 2MB\ncluster { name: prod, listen: \"0.0.0.0:6222\", \
                  routes: [nats-route://10.255.255.1:6222] }\njetstream { store_dir: \"/nonexistent/js\", sync_interval: always, \
                  max_mem: 64MB }\ninclude \"users.conf\"\nlog_file: \"/nonexistent/nats.log\"\n";
    place.write(
        "users.conf",
        "accounts { APP { jetstream: enabled, users: [{ user: app, password: \"s3cret-of-theirs\" }] } }\n",
    );
    let config = place.write("nats.conf", config);
    let program = format!("local:{}", support::nats_server().display());
    let done = place.gate(&["--broker", &program, "--server-config", &config]);
    done.ends(0);
    let named = "./nats.conf is used without accounts, cluster, http_port, jetstream.store_dir, log_file, port: a server that";
    assert!(done.err.contains(named), "{}", done.err);
    let record = place.record();
    balances(&record);
    let settings = &record.broker.settings;
    assert_eq!((record.broker.mode.as_str(), settings["max_payload"].as_str()), ("local", "2097152"));
    assert_eq!(record.broker.durability, "fsync");
    assert_eq!(
        (settings["server_config"].as_str(), settings["sync_interval"].as_str()),
        ("./nats.conf", "always")
    );
    assert!(settings["server_config_without"].contains("cluster"));
    let text = std::fs::read_to_string(place.run_folder().join("record.json")).expect("a record");
    assert!(!text.contains("s3cret-of-theirs"));
}

#[test]
fn a_program_or_a_configuration_that_cannot_be_used_is_named() {
    let place = Place::new();
    let config = place.write("bad.conf", "cluster { name: x");
    for (more, code, said) in [
        (vec!["--broker", "local:/nonexistent/nats-server"], 4, "/nonexistent/nats-server"),
        (
            vec!["--server-config", config.as_str()],
            4,
            "./bad.conf cannot be used as the server's configuration",
        ),
        (
            vec!["--server-config", config.as_str(), "--broker", "sim"],
            2,
            "--server-config is for `--broker local`",
        ),
        (vec!["--broker", "local:/x", "--set", "bus.kind=kafka"], 2, "--broker local:PATH is for NATS"),
    ] {
        let done = place.gate(&more);
        assert!(done.code == code && done.err.contains(said), "{more:?}: {} {}", done.code, done.err);
    }
}
