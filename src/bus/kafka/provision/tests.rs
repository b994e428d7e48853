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
fn the_largest_message_is_one_number() {
    assert_eq!(super::super::MAX_MESSAGE_BYTES.to_string(), MAX_MESSAGE);
}
