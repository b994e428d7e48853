//! The URL of a server's monitoring endpoint: text only, without name resolution.

use std::fmt;
use std::str::FromStr;

/// Default port of the endpoint.
const PORT: u16 = 8222;
/// Pages whose URLs users copy from a browser; their paths follow from the base.
const PAGES: [&str; 4] = ["/varz", "/jsz", "/healthz", "/connz"];

/// URL of a server's monitoring endpoint: `http://HOST[:PORT][/BASE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// `http_base_path` of the server: empty or `/base`.
    base: String,
}

impl Endpoint {
    /// Returns the name or address of the host.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the prefix of each request's path.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Returns `host:port`.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.base)
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// Parses a URL. The error message does not repeat text that might be a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            None => text,
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "http" => rest,
                "https" => {
                    return Err(
                        "`https` is not supported for monitoring endpoints; give the plain one (`http_port` of the \
                         server), for example through a tunnel"
                            .into(),
                    );
                }
                "nats" | "tls" | "ws" | "wss" => {
                    return Err(format!(
                        "`{scheme}` is where clients connect; expected the monitoring endpoint, http://HOST:{PORT}"
                    ));
                }
                _ => return Err(format!("expected http://HOST:{PORT}")),
            },
        };
        if rest.contains('@') {
            return Err(
                "a monitoring endpoint has no user and password; leave out what is before the `@`".into()
            );
        }
        if rest.contains(['?', '#']) || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("expected http://HOST:{PORT} and nothing after the path"));
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = split(authority)?;
        if host.is_empty() {
            return Err(format!("it names no host; expected http://HOST:{PORT}"));
        }
        let path = path.trim_end_matches('/');
        let base = PAGES.iter().find_map(|page| path.strip_suffix(page)).unwrap_or(path);
        Ok(Self { host: host.to_owned(), port, base: base.to_owned() })
    }
}

/// Splits an authority into host and port.
fn split(authority: &str) -> Result<(&str, u16), String> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match authority.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err(format!("an IPv6 address is in brackets: http://[::1]:{PORT}"));
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port =
        port.map_or(Ok(PORT), str::parse).map_err(|_| "its port is not a number up to 65535".to_owned())?;
    if port == 0 {
        return Err("port 0 is not a port to connect to".into());
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_as_people_write_it() {
        for (text, read) in [
            ("http://h:8222", "http://h:8222"),
            ("http://h", "http://h:8222"),
            ("HTTP://h:1/", "http://h:1"),
            ("h:8223", "http://h:8223"),
            ("http://10.0.0.1:8222/varz", "http://10.0.0.1:8222"),
            ("http://h:8222/nats/jsz", "http://h:8222/nats"),
            ("http://h:8222/nats/", "http://h:8222/nats"),
            ("http://[::1]:8222", "http://[::1]:8222"),
            ("http://[::1]", "http://[::1]:8222"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), read, "{text}");
            assert_eq!(endpoint.to_string().parse::<Endpoint>().unwrap(), endpoint, "{text}");
        }
    }

    #[test]
    fn what_is_not_one_is_refused_by_name() {
        for (text, says) in [
            ("https://h:8222", "`https` is not supported"),
            ("nats://h:4222", "where clients connect"),
            ("ftp://h", "expected http://HOST:8222"),
            ("http://u:secret@h:8222", "no user and password"),
            ("http://h:8222/varz?x=1", "nothing after the path"),
            ("http://h:8222 ", ""),
            ("http://h x", "nothing after the path"),
            ("http://:8222", "names no host"),
            ("", "names no host"),
            ("http://h:99999", "not a number"),
            ("http://h:0", "port 0"),
            ("http://::1:8222", "in brackets"),
        ] {
            match text.parse::<Endpoint>() {
                Ok(_) => assert!(says.is_empty(), "{text}"),
                Err(error) => {
                    assert!(!says.is_empty() && error.contains(says), "{text}: {error}");
                    assert!(!error.contains("secret"), "{error}");
                }
            }
        }
    }
}
