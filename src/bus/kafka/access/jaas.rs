//! The grammar of `sasl.jaas.config`: a login module, a control flag and options, as Kafka's clients read it.
//!
//! Kafka parses it with `java.io.StreamTokenizer`, which supports comments, both kinds of quotes and escapes within
//! quotes, and takes an unquoted word that begins with a digit for a number, which is not a valid value.

use std::iter::Peekable;
use std::str::Chars;

/// One login module with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Class name of the module.
    pub module: String,
    /// Options in file order; if a name is repeated, the last one counts.
    pub options: Vec<(String, String)>,
}

impl Login {
    /// Returns the value of an option.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Why a text is not a configuration of one login module. No message quotes a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The text is empty.
    #[error("no login module is named")]
    Empty,
    /// The second word is not a control flag.
    #[error("the login module is not followed by `required`")]
    Flag,
    /// An option has no name.
    #[error("an option has no name")]
    Name,
    /// An option has no value.
    #[error("the option `{0}` has no value; write {0}=\"VALUE\", with quotes around it")]
    Value(String),
    /// The final `;` is missing.
    #[error("it does not end with `;`")]
    Open,
    /// There is more than one login module.
    #[error("it names several login modules; expected one")]
    Several,
}

/// Parses a configuration.
///
/// # Errors
/// When Kafka would refuse it.
pub fn parse(text: &str) -> Result<Login, Wrong> {
    let mut tokens = Tokens { rest: text.chars().peekable() };
    let login = match tokens.next() {
        Token::End => return Err(Wrong::Empty),
        first => entry(first, &mut tokens)?,
    };
    match tokens.next() {
        Token::End => Ok(login),
        _ => Err(Wrong::Several),
    }
}

fn entry(first: Token, tokens: &mut Tokens<'_>) -> Result<Login, Wrong> {
    let module = first.word().ok_or(Wrong::Empty)?;
    let flag = tokens.next().word().map(|flag| flag.to_uppercase());
    if !flag.is_some_and(|flag| ["REQUIRED", "REQUISITE", "SUFFICIENT", "OPTIONAL"].contains(&flag.as_str()))
    {
        return Err(Wrong::Flag);
    }
    let mut options = Vec::new();
    loop {
        let key = match tokens.next() {
            Token::End => return Err(Wrong::Open),
            Token::Sign(';') => return Ok(Login { module, options }),
            token => token.word().ok_or(Wrong::Name)?,
        };
        if tokens.next() != Token::Sign('=') {
            return Err(Wrong::Value(key));
        }
        match tokens.next().word() {
            Some(value) => options.push((key, value)),
            None => return Err(Wrong::Value(key)),
        }
    }
}

/// A token of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    End,
    Word(String),
    Number,
    Sign(char),
}

impl Token {
    fn word(self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

struct Tokens<'a> {
    rest: Peekable<Chars<'a>>,
}

/// Returns whether a character begins a word: Java's table of characters, with the three that Kafka adds.
fn begins_a_word(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '_' | '$') || c >= '\u{a0}'
}

fn goes_on(c: char) -> bool {
    begins_a_word(c) || c.is_ascii_digit() || matches!(c, '.' | '-')
}

impl Tokens<'_> {
    fn next(&mut self) -> Token {
        loop {
            let Some(c) = self.rest.next() else { return Token::End };
            match c {
                '\0'..=' ' => {}
                '0'..='9' | '.' | '-' => return self.number(c),
                '"' | '\'' => return Token::Word(self.quoted(c)),
                '/' if self.rest.peek() == Some(&'*') => self.skip_block(),
                // In `StreamTokenizer`, a single slash also begins a comment that extends to the end of the line.
                '/' => {
                    self.rest.next();
                    while self.rest.next_if(|&c| !matches!(c, '\r' | '\n')).is_some() {}
                }
                c if begins_a_word(c) => return self.word(c),
                c => return Token::Sign(c),
            }
        }
    }

    fn word(&mut self, first: char) -> Token {
        let mut word = String::from(first);
        while let Some(c) = self.rest.next_if(|&c| goes_on(c)) {
            word.push(c);
        }
        Token::Word(word)
    }

    /// Reads a number, which ends at the first character that is not part of one; a sign without a digit is a sign.
    fn number(&mut self, first: char) -> Token {
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        if first == '-' && !self.rest.peek().is_some_and(|&c| is_part(c)) {
            return Token::Sign('-');
        }
        let mut dot = first == '.';
        while let Some(c) = self.rest.next_if(|&c| c.is_ascii_digit() || c == '.' && !dot) {
            dot |= c == '.';
        }
        Token::Number
    }

    fn skip_block(&mut self) {
        self.rest.next();
        let mut star = false;
        for c in self.rest.by_ref() {
            if star && c == '/' {
                return;
            }
            star = c == '*';
        }
    }

    /// Returns the text up to the closing quote or the end of the line.
    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        while let Some(c) = self.rest.next_if(|&c| !matches!(c, '\r' | '\n')) {
            match c {
                c if c == quote => break,
                '\\' => text.extend(self.escaped()),
                c => text.push(c),
            }
        }
        text
    }

    fn escaped(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        let octal = |c: &char| matches!(c, '0'..='7');
        let Some(mut value) = c.to_digit(8) else {
            return Some(match c {
                'a' => '\x07',
                'b' => '\x08',
                'f' => '\x0c',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\x0b',
                other => other,
            });
        };
        // Up to two more digits after 0 to 3, one after 4 to 7.
        for _ in 0..if value <= 3 { 2 } else { 1 } {
            let Some(digit) = self.rest.next_if(octal).and_then(|c| c.to_digit(8)) else { break };
            value = value << 3 | digit;
        }
        char::from_u32(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

    #[test]
    fn options_are_read_as_kafka_reads_them() {
        for (text, value) in [
            ("x=\"v\";", "v"),
            ("x='v';", "v"),
            ("x = v ;", "v"),
            ("\"x\"=v-1.2_$;", "v-1.2_$"),
            ("x=\"a b;c=d//e\";", "a b;c=d//e"),
            ("x='it\"s';", "it\"s"),
            ("x=\"a\\\"b\\\\c\\'d\";", "a\"b\\c'd"),
            ("x=\"\\t\\n\\101\\60\\0601\\x\";", "\t\nA001x"),
            ("x=first x=\"v\";", "v"),
            ("/* a */ x // b\n = / c\n 'v';", "v"),
            ("x=\"v\" ; // the end", "v"),
            ("x=\u{e4}\u{20ac};", "\u{e4}\u{20ac}"),
        ] {
            let login = parse(&format!("{PLAIN} required {text}")).unwrap();
            assert_eq!((login.module.as_str(), login.option("x")), (PLAIN, Some(value)), "{text}");
        }
        let two = parse(&format!("{PLAIN} required username=\"u\"\n  password='p';")).unwrap().options;
        assert_eq!(two, [("username".into(), "u".into()), ("password".into(), "p".into())]);
    }

    #[test]
    fn what_kafka_refuses_is_refused_without_a_value_in_the_text() {
        for (text, wrong) in [
            ("", Wrong::Empty),
            (" // nothing", Wrong::Empty),
            ("a.B", Wrong::Flag),
            ("a.B needed;", Wrong::Flag),
            ("a.B required", Wrong::Open),
            ("a.B required x=\"secret\"", Wrong::Open),
            ("a.B required x;", Wrong::Value("x".into())),
            ("a.B required x=;", Wrong::Value("x".into())),
            ("a.B required x=1secret;", Wrong::Value("x".into())),
            ("a.B required x=-secret;", Wrong::Value("x".into())),
            ("a.B required =secret;", Wrong::Name),
            ("a.B required; c.D required;", Wrong::Several),
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
            assert_eq!(error, wrong, "{text}");
        }
    }
}
