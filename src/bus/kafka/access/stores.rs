//! Trust stores and key stores: PEM as it is, and PKCS #12 for key stores; Java's own formats are refused with the
//! command that converts them.

use std::path::Path;

use super::pem;
use super::{Pem, Pkcs12, TlsFiles};
use crate::bus::secret::Secret;
use crate::bus::{BusError, environment};

/// Returns a setting of a properties file by its key; `None` if it is absent or empty.
pub(super) type Setting<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// The format of a store, detected by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Pem,
    Pkcs12,
    Java,
    Unknown,
}

fn format(bytes: &[u8]) -> Format {
    match bytes {
        [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..] => Format::Java,
        [0x30, 0x80..=0x84, ..] => Format::Pkcs12,
        _ if std::str::from_utf8(bytes).is_ok_and(pem::is_pem) => Format::Pem,
        _ => Format::Unknown,
    }
}

/// Reads the stores of a properties file.
///
/// # Errors
/// When a store is missing, has an unsupported format, or contradicts another setting.
pub(super) fn read<'a>(name: &'a str, setting: Setting<'a>) -> Result<TlsFiles, BusError> {
    let stores = Stores { name, setting };
    let mut files = TlsFiles { ca: stores.trust()?, ..TlsFiles::default() };
    stores.identity(&mut files)?;
    Ok(files)
}

struct Stores<'a> {
    name: &'a str,
    setting: Setting<'a>,
}

impl<'a> Stores<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        (self.setting)(key)
    }

    fn wrong(&self, problem: &str, hint: &str) -> BusError {
        environment(&format!("{}: {problem}", self.name), hint)
    }

    /// Returns the only one of several alternative keys that is set.
    fn one_of(&self, keys: &[&'static str]) -> Result<Option<(&'static str, &'a str)>, BusError> {
        let mut given = keys.iter().filter_map(|&key| Some((key, self.get(key)?)));
        match (given.next(), given.next()) {
            (Some((one, _)), Some((other, _))) => {
                Err(self.wrong(&format!("`{one}` and `{other}` exclude each other"), "give one of them"))
            }
            (first, _) => Ok(first),
        }
    }

    fn type_of(&self, store: &str) -> String {
        self.get(&format!("ssl.{store}.type")).unwrap_or("JKS").to_ascii_uppercase()
    }

    fn is_pem(&self, store: &str, key: &str) -> Result<(), BusError> {
        let of = self.type_of(store);
        if of == "PEM" {
            return Ok(());
        }
        Err(self.wrong(
            &format!("`{key}` is for PEM, and `ssl.{store}.type` is {of}"),
            &format!("add `ssl.{store}.type=PEM`"),
        ))
    }

    /// Reads a store's bytes.
    fn load(&self, key: &str, path: &str) -> Result<Vec<u8>, BusError> {
        std::fs::read(path).map_err(|error| {
            self.wrong(&format!("cannot read `{key}` {path}: {error}"), "check the path and its rights")
        })
    }

    /// Returns certificates or a key contained in the properties file itself.
    fn text(&self, key: &str, found: Option<String>, what: &str) -> Result<Pem, BusError> {
        let text = found.ok_or_else(|| {
            self.wrong(
                &format!("`{key}` holds no {what} in PEM"),
                "give the whole block, from -----BEGIN to -----END, on one line or on lines that end in a backslash",
            )
        })?;
        Ok(Pem::Text(Secret::new(text)))
    }

    fn trust(&self) -> Result<Option<Pem>, BusError> {
        let keys =
            ["ssl.truststore.certificates", "ssl.truststore.location", "ssl.ca.pem", "ssl.ca.location"];
        let given = self.one_of(&keys)?;
        if let (Some(_), "PEM") = (self.get("ssl.truststore.password"), self.type_of("truststore").as_str()) {
            return Err(
                self.wrong("a trust store in PEM has no password", "leave out `ssl.truststore.password`")
            );
        }
        let Some((key, value)) = given else {
            return match self.get("ssl.truststore.password") {
                Some(_) => Err(self.wrong(
                    "`ssl.truststore.password` is given, and no trust store",
                    "add `ssl.truststore.location`, or leave the password out",
                )),
                None => Ok(None),
            };
        };
        match key {
            "ssl.truststore.certificates" => self.is_pem("truststore", key)?,
            "ssl.ca.pem" => {}
            // librdkafka's value for the system's certificates.
            "ssl.ca.location" if value == "probe" => return Ok(None),
            "ssl.ca.location" => return Ok(Some(Pem::At(value.into()))),
            _ => {
                self.is_trust_store(value)?;
                return Ok(Some(Pem::At(value.into())));
            }
        }
        self.text(key, pem::certificates(value), "certificate").map(Some)
    }

    fn is_trust_store(&self, path: &str) -> Result<(), BusError> {
        let of = self.type_of("truststore");
        if of == "PEM" {
            return Ok(());
        }
        let found = format(&self.load("ssl.truststore.location", path)?);
        let (seen, hint) = match found {
            Format::Pem => ("a file in PEM".to_owned(), "add `ssl.truststore.type=PEM`".to_owned()),
            Format::Pkcs12 => (
                "a trust store of PKCS #12".to_owned(),
                convert_trust(&format!("openssl pkcs12 -in {path} -nokeys -out ca.pem")),
            ),
            _ => (
                format!("a Java trust store ({of})"),
                convert_trust(&format!("keytool -list -rfc -keystore {path} > ca.pem")),
            ),
        };
        Err(self
            .wrong(&format!("`ssl.truststore.location` names {seen}, which tickgate does not read"), &hint))
    }

    /// Sets the client's certificate and key.
    fn identity(&self, files: &mut TlsFiles) -> Result<(), BusError> {
        let password = self.get("ssl.key.password").map(Secret::new);
        let cert = self.one_of(&[
            "ssl.keystore.certificate.chain",
            "ssl.certificate.pem",
            "ssl.certificate.location",
            "ssl.keystore.location",
        ])?;
        let key =
            self.one_of(&["ssl.keystore.key", "ssl.key.pem", "ssl.key.location", "ssl.keystore.location"])?;
        let store_password = self.get("ssl.keystore.password");
        if let Some((store, path)) = cert.filter(|(key, _)| *key == "ssl.keystore.location") {
            if self.type_of("keystore") == "PEM" {
                self.no_store_password(store_password)?;
                files.cert = Some(Pem::At(path.into()));
                files.key = Some(Pem::At(path.into()));
                files.key_password = password;
                return Ok(());
            }
            return self.binary(store, path, store_password, password, files);
        }
        files.cert = cert.map(|(key, value)| self.part(key, value, "certificate")).transpose()?;
        files.key = key.map(|(key, value)| self.part(key, value, "private key")).transpose()?;
        match (cert, key) {
            (Some((given, _)), None) => Err(self.wrong(
                &format!("`{given}` is given without the key"),
                "a client certificate and its key come together: give both",
            )),
            (None, Some((given, _))) => Err(self.wrong(
                &format!("`{given}` is given without the certificate"),
                "a client certificate and its key come together: give both",
            )),
            (None, None) if store_password.is_some() => Err(self.wrong(
                "`ssl.keystore.password` is given, and no key store",
                "add `ssl.keystore.location`, or leave the password out",
            )),
            (Some(_), Some(_)) => {
                self.no_store_password(store_password)?;
                files.key_password = password;
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    fn part(&self, key: &str, value: &str, what: &str) -> Result<Pem, BusError> {
        if key.ends_with(".location") {
            return Ok(Pem::At(value.into()));
        }
        if key.starts_with("ssl.keystore.") {
            self.is_pem("keystore", key)?;
        }
        let found = if what == "certificate" {
            pem::certificates(value)
        } else {
            pem::key(value).map(|key| key.text)
        };
        self.text(key, found, what)
    }

    fn no_store_password(&self, password: Option<&str>) -> Result<(), BusError> {
        let wrong = || {
            self.wrong(
                "a key store in PEM has no password, only its key has",
                "write it as `ssl.key.password`, not as `ssl.keystore.password`",
            )
        };
        if password.is_some() { Err(wrong()) } else { Ok(()) }
    }

    /// Loads a key store that is not PEM: PKCS #12 or Java's own format.
    fn binary(
        &self,
        store: &str,
        path: &str,
        password: Option<&str>,
        key_password: Option<Secret>,
        files: &mut TlsFiles,
    ) -> Result<(), BusError> {
        let of = self.type_of("keystore");
        match format(&self.load(store, path)?) {
            Format::Pem => Err(self.wrong(
                &format!("`{store}` names a file in PEM, and `ssl.keystore.type` is {of}"),
                "add `ssl.keystore.type=PEM`",
            )),
            // Java itself accepts PKCS #12 where it expects its own format.
            Format::Pkcs12 if ["PKCS12", "JKS"].contains(&of.as_str()) => {
                let Some(password) = password.map(Secret::new) else {
                    return Err(self.wrong(
                        "the key store is named without its password",
                        "add `ssl.keystore.password`",
                    ));
                };
                if key_password.is_some_and(|key| key != password) {
                    return Err(self.wrong(
                        "`ssl.key.password` differs from `ssl.keystore.password`",
                        "a key store of PKCS #12 has one password for both: leave `ssl.key.password` out",
                    ));
                }
                files.store = Some(Pkcs12 { path: Path::new(path).into(), password });
                Ok(())
            }
            _ => Err(self.wrong(
                &format!("`{store}` names a Java key store ({of}), which tickgate does not read"),
                &format!(
                    "convert it with `keytool -importkeystore -srckeystore {path} -destkeystore client.p12 -deststoretype \
                     PKCS12`, and set `ssl.keystore.location=client.p12` and `ssl.keystore.type=PKCS12`"
                ),
            )),
        }
    }
}

fn convert_trust(command: &str) -> String {
    format!(
        "convert it with `{command}`, and set `ssl.truststore.location=ca.pem` and `ssl.truststore.type=PEM` without \
         `ssl.truststore.password`"
    )
}
