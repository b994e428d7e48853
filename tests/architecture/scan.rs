//! A scanner for Rust source that knows tokens, paths and braces, not types: enough to name file and line.

/// One file, with comments, literals and tests blanked out.
pub(crate) struct Source {
    pub(crate) path: String,
    /// The top-level module it belongs to; `main` and `lib` for the roots.
    pub(crate) module: String,
    /// Its lines of code: neither tests nor comments nor empty ones.
    pub(crate) lines: usize,
    code: String,
    pub(crate) names: Vec<Name>,
}

/// A path in the code.
pub(crate) struct Name {
    pub(crate) line: usize,
    /// Begins at the crate's root; the segments are what follows `crate::`.
    pub(crate) root: bool,
    /// In a `use`.
    imported: bool,
    pub(crate) segments: Vec<String>,
}

pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let inside = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let module = inside.split('/').next().unwrap_or_default().to_owned();
        let is_root = matches!(inside, "lib" | "main");
        let is_test = inside.split('/').any(|part| part == "tests");
        let bare = bare(text);
        let code = if is_test { String::new() } else { without_tests(&bare) };
        let lines = lines_of_code(&bare, &code, &without_comments(text));
        let names = names(&tokens(&code), if is_root { 0 } else { inside.split('/').count() });
        Self { path: path.to_owned(), module, lines, code, names }
    }

    pub(crate) fn tokens(&self) -> Vec<Token> {
        tokens(&self.code)
    }

    pub(crate) fn at(&self, line: usize, message: &str) -> String {
        format!("{}:{line}: {message}", self.path)
    }
}

impl Token {
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

impl Name {
    /// Is it this path or one below it, or an import that brings it within reach: of a module above it, or by a glob?
    pub(crate) fn reaches(&self, forbidden: &[&str]) -> bool {
        let end = self.segments.iter().position(|segment| segment == "*" || segment == "self");
        let (open, named) = (end.is_some(), &self.segments[..end.unwrap_or(self.segments.len())]);
        let same = named.iter().zip(forbidden).all(|(a, b)| a == b);
        let whole = named.len() >= forbidden.len() && (self.imported || open || self.segments.len() > 1);
        same && !named.is_empty() && (whole || open || self.imported)
    }

    pub(crate) fn ends_in(&self, end: &[&str]) -> bool {
        self.segments.len() >= end.len() && self.segments[self.segments.len() - end.len()..] == *end
    }
}

/// The text with comments, strings and characters as spaces; lines stay where they are.
pub(crate) fn bare(text: &str) -> String {
    blanked(text, true)
}

fn without_comments(text: &str) -> String {
    blanked(text, false)
}

/// Comments as spaces, and literals where they are to be.
fn blanked(text: &str, literals: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => find(&chars, at, |rest| rest[0] == '\n'),
            '/' if chars.get(at + 1) == Some(&'*') => block_comment_end(&chars, at),
            '"' => string_end(&chars, at),
            'r' if at == 0 || !is_word(chars[at - 1]) || matches!(chars[at - 1], 'b' | 'c') => {
                raw_string_end(&chars, at)
            }
            '\'' if chars.get(at + 1) == Some(&'\\') => find(&chars, at + 3, |rest| rest[0] == '\'') + 1,
            '\'' if chars.get(at + 2) == Some(&'\'') => at + 3,
            _ => at,
        };
        if end == at {
            out.push(chars[at]);
            at += 1;
        }
        let blank = literals || chars[at.min(chars.len() - 1)] == '/';
        while at < end.min(chars.len()) {
            out.push(if blank && chars[at] != '\n' { ' ' } else { chars[at] });
            at += 1;
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn find(chars: &[char], from: usize, is_it: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|&at| is_it(&chars[at..])).unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0_usize, from);
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The end of `r"…"` or `r#"…"#`, and `from` itself where there is none.
fn raw_string_end(chars: &[char], from: usize) -> usize {
    let hashes = chars[from + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(from + 1 + hashes) != Some(&'"') {
        return from;
    }
    let closes =
        |rest: &[char]| rest[0] == '"' && rest[1..].iter().take_while(|c| **c == '#').count() >= hashes;
    find(chars, from + 2 + hashes, closes) + 1 + hashes
}

/// How many lines have code that is not a test's. What has only a part of a literal is as bare as an empty line: it belongs to
/// what stands before it.
fn lines_of_code(bare: &str, without_tests: &str, without_comments: &str) -> usize {
    let mut in_test = false;
    let lines = bare.lines().zip(without_tests.lines().chain(std::iter::repeat("")));
    let lines = lines.zip(without_comments.lines()).filter(|((bare, kept), shown)| {
        if !bare.trim().is_empty() {
            in_test = kept.trim().is_empty();
        }
        !in_test && !shown.trim().is_empty()
    });
    lines.count()
}

/// Bare code with the items under `#[cfg(test)]` as spaces.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let Some(start) = code.find(MARK) else { return code.to_owned() };
    let item = &code[start + MARK.len()..];
    let mut depth = 0_usize;
    let end = item.char_indices().find(|(_, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(c, '}' | ';')
    });
    let end = start + MARK.len() + end.map_or(item.len(), |(at, _)| at + 1);
    let blank: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    format!("{}{blank}{}", &code[..start], without_tests(&code[end..]))
}

/// Words, `::`, and every other character by itself.
pub(crate) fn tokens(code: &str) -> Vec<Token> {
    let mut all: Vec<Token> = vec![];
    for (index, text) in code.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            all.push(Token { line: index + 1, text: rest[..length].to_owned() });
            rest = rest[length..].trim_start();
        }
    }
    all
}

/// The index of the brace that closes the one at `open`, or the last token.
pub(crate) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    let close = (open..tokens.len()).find(|&at| {
        match tokens[at].text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    close.unwrap_or(tokens.len() - 1)
}

/// Words after which a path may begin with `::`.
const KEYWORDS: [&str; 11] =
    ["use", "as", "dyn", "else", "for", "if", "impl", "in", "match", "mut", "return"];

/// All paths in some code; `depth` is how many `super` lead from it to the crate's root.
fn names(tokens: &[Token], depth: usize) -> Vec<Name> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let (mut all, mut at) = (vec![], 0);
    // Where the inline modules around this place close.
    let mut inline: Vec<usize> = vec![];
    while at < tokens.len() {
        inline.retain(|close| at <= *close);
        if text(at) == "mod" && text(at + 2) == "{" {
            inline.push(closing(tokens, at + 2));
        }
        let before = |steps: usize| at.checked_sub(steps).map_or("", text);
        let imported = before(1) == "use" || before(1) == "::" && before(2) == "use";
        let after_path = before(2).ends_with(|c| is_word(c) || c == '>') && !KEYWORDS.contains(&before(2));
        let continues = before(1) == "." || before(1) == "::" && after_path;
        if !tokens[at].is_word() || KEYWORDS.contains(&text(at)) || continues {
            at += 1;
            continue;
        }
        let mut found = vec![];
        at = tree(tokens, at, &[], &mut found);
        for (line, segments) in found {
            let supers = segments.iter().take_while(|segment| *segment == "super").count();
            let (root, skip) = match segments[0].as_str() {
                "crate" | "tickgate" => (true, 1),
                "super" => (supers == depth + inline.len(), supers),
                _ => (false, 0),
            };
            if root || skip == 0 {
                all.push(Name { line, root, imported, segments: segments[skip..].to_vec() });
            }
        }
    }
    all
}

/// Follows a path through its groups; returns the index after it.
fn tree(tokens: &[Token], mut at: usize, head: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut path = head.to_vec();
    let line = tokens[at].line;
    loop {
        path.push(text(at).to_owned());
        at += 1;
        if text(at) != "::" {
            break;
        }
        if text(at + 1) == "{" {
            let close = closing(tokens, at + 1);
            at += 2;
            while at < close {
                let starts =
                    tokens[at].is_word() && text(at - 1) != "as" && text(at) != "as" || text(at) == "*";
                at = if starts { tree(tokens, at, &path, found) } else { at + 1 };
            }
            return close + 1;
        }
        if !(tokens.get(at + 1).is_some_and(Token::is_word) || text(at + 1) == "*") {
            break;
        }
        at += 1;
    }
    found.push((line, path));
    at
}
