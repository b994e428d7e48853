use super::*;

#[test]
fn brokers_elsewhere_are_named_where_the_load_may_not_leave_the_machine() {
    let target = Target::parse("kafka://127.0.0.1:9092").unwrap();
    let own = ["192.0.2.7".parse().unwrap()];
    let check = |named: &[&str]| check_here(named.iter().map(|&at| at.to_owned()), &own, &target);
    assert!(check(&["127.0.0.1:9092", "192.0.2.7:9092"]).is_ok());
    let error = check(&["127.0.0.1:9092", "192.0.2.8:9092"]).unwrap_err();
    let parts = ["names a broker at 192.0.2.8:9092, which is not an address of this machine", "--allow-rate"];
    assert!(parts.iter().all(|part| error.to_string().contains(part)), "{error}");
    assert!(matches!(error, BusError::Plan { .. }), "a mistake of the command line");
}

#[test]
fn a_broker_that_was_advertised_is_told_from_one_that_was_given() {
    let target = Target::parse("kafka://127.0.0.1:9092").unwrap();
    let said = |text: &str| elsewhere(text, &target).map(|error| error.to_string());
    let refused = "Connect to ipv4#10.0.0.9:9092 failed: Connection refused (after 0ms in state CONNECT)";
    for prefix in ["10.0.0.9:9092/7", "sasl_ssl://10.0.0.9:9092/7"] {
        let error = said(&format!("{prefix}: {refused}")).unwrap();
        let beginning =
            "kafka://127.0.0.1:9092 answers, and says that broker 7 is at 10.0.0.9:9092, which cannot be";
        assert!(error.contains(beginning) && error.contains("advertised.listeners"), "{error}");
    }
    let others = [
        format!("127.0.0.1:9092/bootstrap: {refused}"),
        format!("127.0.0.1:9092/7: {refused}"),
        "10.0.0.9:9092/7: SASL authentication error: Invalid username or password".to_owned(),
        "1/1 brokers are down".to_owned(),
        String::new(),
    ];
    for text in others {
        assert_eq!(said(&text), None, "{text}");
    }
}

#[test]
fn the_largest_message_is_one_number() {
    assert_eq!(super::super::MAX_MESSAGE_BYTES.to_string(), MAX_MESSAGE);
}
