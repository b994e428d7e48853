use super::*;

/// Reads a text with a file `users.conf` beside it, a file `loop.conf` that includes itself, and two variables.
fn parsed(text: &str) -> Result<Map, Problem> {
    let include = |from: &str, path: &str| match path {
        "users.conf" => Ok((format!("{from}>{path}"), "user: ann\npassword: $SECRET\n".to_owned())),
        "loop.conf" => Ok((path.to_owned(), "include loop.conf\n".to_owned())),
        _ => Err(format!("no file {path}")),
    };
    let variable = |name: &str| match name {
        "SECRET" => Some("\"s3cret\"".to_owned()),
        "PORT" => Some("4333".to_owned()),
        "A" => Some("$B".to_owned()),
        "B" => Some("$A".to_owned()),
        _ => None,
    };
    let mut world = World::new(&include, &variable);
    read("n.conf", text, &mut world)
}

fn value(text: &str) -> Value {
    parsed(text)
        .unwrap_or_else(|problem| panic!("{text}: {problem:?}"))
        .get(&["a"])
        .unwrap()
        .item
        .value
        .clone()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn a_key_and_its_value_are_written_in_many_ways() {
    for written in [
        "a: 1",
        "a = 1",
        "a 1",
        "a:1",
        "a=1",
        "'a': 1",
        "\"a\" 1",
        "a\n1",
        "{a: 1}",
        "{\n\"a\": 1\n}",
        "a: 1 # c",
        "a: 1 // c",
    ] {
        assert_eq!(value(written), Value::Whole(1), "{written}");
    }
    assert_eq!(value("a: 1; b: 2, a: 3"), Value::Whole(3), "the last one counts");
    let map = parsed("A { b: 1, c 2; d = 3 }\n}").unwrap();
    assert_eq!(map.get(&["a"]).unwrap().item.map().unwrap().entries.len(), 3);
}

#[test]
fn values_have_the_servers_types() {
    let kinds = [
        ("yes", Value::Bool(true)),
        ("OFF", Value::Bool(false)),
        ("'yes'", text("yes")),
        ("1K", Value::Whole(1000)),
        ("1kb", Value::Whole(1024)),
        ("2GB", Value::Whole(2 << 30)),
        ("3Mi", Value::Whole(3 << 20)),
        ("1TiB", Value::Whole(1 << 40)),
        ("2m", Value::Whole(2_000_000)),
        ("2s", text("2s")),
        ("-7", Value::Whole(-7)),
        ("1.5", Value::Fraction(1.5)),
        ("127.0.0.1:4222", text("127.0.0.1:4222")),
        ("10.0.0.1", text("10.0.0.1")),
        ("2026-01-31T12:00:00Z", Value::Date("2026-01-31T12:00:00Z".into())),
        ("nats://h:1", text("nats://h:1")),
        ("\"a\\tb\\x41\"", text("a\tbA")),
        ("'a\\tb'", text("a\\tb")),
        ("a#b", text("a#b")),
        ("(\none\ntwo )\n)\n", text("\none\ntwo )\n")),
        ("$2a$11$hash", text("$2a$11$hash")),
    ];
    for (written, expected) in kinds {
        assert_eq!(value(&format!("a: {written}")), expected, "{written}");
    }
    for list in ["[x, y]", "[x y\n]", "[\n x\n y\n]", "[ # c\n x, // d\n\n y ]"] {
        let shown = value(&format!("a: {}", list.replace("x y", "x\ny")));
        let Value::List(items) = shown else { panic!("{list}") };
        assert_eq!(items.iter().map(Item::text).collect::<Vec<_>>(), [Some("x"), Some("y")], "{list}");
    }
}

#[test]
fn what_the_server_refuses_is_refused_where_it_is_wrong() {
    for (written, line, column) in [
        ("a: [1, 2]", 1, 10),
        ("a:\n1", 1, 3),
        ("a", 1, 2),
        (": 1", 1, 1),
        ("a: 1234-abc", 1, 4),
        ("a: 2026-13-01T00:00:00Z", 1, 4),
        ("a: 1.", 1, 4),
        ("a: .5", 1, 4),
        ("a: 1.5h", 1, 7),
        ("a: 99999999999999999999", 1, 4),
        ("a {\n b: 1\n", 3, 1),
        ("a: [ b\n", 2, 1),
        ("a: 'b", 1, 6),
        ("a: \"\\q\"", 1, 7),
        ("a: (\nb\n", 3, 1),
        ("a: 1 b", 1, 6),
        ("a: $NOPE", 1, 4),
        ("a: $A", 1, 4),
        ("x: 1\ninclude nope.conf", 2, 9),
        ("a: [, 1]", 1, 5),
        ("a { b }", 1, 7),
        ("a\0: 1", 1, 1),
    ] {
        let problem = parsed(written).unwrap_err();
        assert_eq!((problem.place.line, problem.place.column), (line, column), "{written}: {problem:?}");
    }
}

#[test]
fn files_are_included_and_variables_looked_up() {
    let map = parsed("port: $PORT\nauthorization { include \"users.conf\" }\nx: 7\nb { x: 8, c { y: $x } }")
        .unwrap();
    assert_eq!(map.get(&["port"]).unwrap().item.value, Value::Whole(4333));
    let users = map.get(&["authorization"]).unwrap().item.map().unwrap();
    let password = users.get(&["password"]).unwrap();
    assert_eq!((&password.item.value, password.item.by_variable), (&text("s3cret"), true));
    assert_eq!(
        (password.place.file, password.place.line),
        (2, 2),
        "the variable PORT was the second one read"
    );
    let b = map.get(&["b"]).unwrap().item.map().unwrap();
    assert!(b.get(&["x"]).unwrap().referred && !map.get(&["x"]).unwrap().referred);
    let y = b.get(&["c"]).unwrap().item.map().unwrap().get(&["y"]).unwrap();
    assert_eq!(y.item.value, Value::Whole(8), "the nearest one");
    assert!(parsed("include loop.conf").unwrap_err().text.contains("does a file include itself?"));
}

#[test]
fn a_small_file_cannot_take_much() {
    let bomb: String = (1..40).fold("v0 { a: 1 }\n".to_owned(), |text, n| {
        let before = n - 1;
        format!("{text}v{n} {{ a: $v{before}, b: $v{before}, c: $v{before} }}\n")
    });
    assert!(parsed(&bomb).unwrap_err().text.contains("values"));
    assert!(parsed(&"a [".repeat(100_000)).is_err());
    assert!(parsed(&format!("a: {}", "[".repeat(100_000))).unwrap_err().text.contains("deep"));
    assert!(parsed(&"{".repeat(100_000)).unwrap_err().text.contains("deep"));
    assert!(parsed(&" ".repeat(2 << 20)).unwrap_err().text.contains("1 MiB"));
}
