//! Certificates and keys in PEM, as Kafka's clients accept them: surrounded by other text, or on a single line as in
//! a properties file.

/// A block between `-----BEGIN` and `-----END`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    label: String,
    body: String,
}

/// Returns all blocks of a text, in order.
fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, body)) = after.split_once("-----") else { break };
        let label = label.trim();
        let Some((body, after)) = body.split_once(&format!("-----END {label}-----")) else {
            rest = body;
            continue;
        };
        found.push(Block { label: label.to_owned(), body: body.to_owned() });
        rest = after;
    }
    found
}

impl Block {
    fn is_certificate(&self) -> bool {
        matches!(self.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE")
    }

    fn is_key(&self) -> bool {
        self.label == "PRIVATE KEY" || self.label.ends_with(" PRIVATE KEY")
    }

    fn is_encrypted(&self) -> bool {
        self.label == "ENCRYPTED PRIVATE KEY" || self.body.contains("ENCRYPTED")
    }

    /// Writes the block in lines of 64 characters; a block with headers is unchanged.
    fn write(&self, out: &mut String) {
        use std::fmt::Write as _;
        let Self { label, body } = self;
        let _ = writeln!(out, "-----BEGIN {label}-----");
        if body.contains(':') {
            let _ = writeln!(out, "{}", body.trim());
        } else {
            let packed: Vec<char> = body.chars().filter(|c| !c.is_whitespace()).collect();
            for line in packed.chunks(64) {
                let _ = writeln!(out, "{}", line.iter().collect::<String>());
            }
        }
        let _ = writeln!(out, "-----END {label}-----");
    }
}

/// Returns the certificates of a text, one after another in lines; `None` if there is none.
pub(super) fn certificates(text: &str) -> Option<String> {
    let mut out = String::new();
    blocks(text).iter().filter(|block| block.is_certificate()).for_each(|block| block.write(&mut out));
    (!out.is_empty()).then_some(out)
}

/// A private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) encrypted: bool,
}

/// Returns the first private key of a text.
pub(super) fn key(text: &str) -> Option<Key> {
    let block = blocks(text).into_iter().find(Block::is_key)?;
    let mut out = String::new();
    block.write(&mut out);
    Some(Key { text: out, encrypted: block.is_encrypted() })
}

/// Returns whether the text contains any block.
pub(super) fn is_pem(text: &str) -> bool {
    !blocks(text).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_on_one_line_and_among_other_text_are_found() {
        let body = "QUJD".repeat(20);
        let one = format!("-----BEGIN CERTIFICATE----- {body} -----END CERTIFICATE-----");
        let lines = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n{}\n-----END CERTIFICATE-----\n",
            &body[..64],
            &body[64..]
        );
        assert_eq!(certificates(&one).unwrap(), lines);
        assert_eq!(certificates(&lines).unwrap(), lines);
        let key_block = "-----BEGIN PRIVATE KEY-----\nQQ==\n-----END PRIVATE KEY-----\n";
        let both = format!("Bag Attributes\n  x: y\n{key_block}subject=/CN=x\n{lines}{one}");
        assert_eq!(certificates(&both).unwrap(), format!("{lines}{lines}"));
        assert_eq!(key(&both).unwrap(), Key { text: key_block.into(), encrypted: false });
        assert!(is_pem(key_block) && certificates(key_block).is_none() && key(&lines).is_none());
    }

    #[test]
    fn encrypted_keys_are_known_by_label_or_header() {
        let new = "-----BEGIN ENCRYPTED PRIVATE KEY----- QQ== -----END ENCRYPTED PRIVATE KEY-----";
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X,1\n\nQQ==\n-----END RSA PRIVATE KEY-----";
        assert!(key(new).unwrap().encrypted && key(old).unwrap().encrypted);
        assert!(key(old).unwrap().text.contains("\nDEK-Info: X,1\n\nQQ==\n"));
        for none in
            ["", "ca.pem", "-----BEGIN CERTIFICATE-----\nQQ==\n", "-----BEGIN X-----QQ-----END Y-----"]
        {
            assert!(!is_pem(none), "{none}");
        }
    }
}
