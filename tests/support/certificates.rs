//! Certificates for one test: an authority, a server's for 127.0.0.1, and a client's.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

/// An authority and the certificates that it signed, as PEM files.
pub struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// Makes all of them.
    pub fn new() -> Self {
        Self::of("127.0.0.1")
    }

    /// With the server's for this name or address.
    pub fn of(server: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
        write(folder.path(), "ca.pem", &authority.pem());
        for (name, subject, purpose) in [
            ("server", server, ExtendedKeyUsagePurpose::ServerAuth),
            ("client", "tickgate", ExtendedKeyUsagePurpose::ClientAuth),
        ] {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(vec![subject.to_owned()]).expect("parameters");
            params.extended_key_usages = vec![purpose];
            // Under the authority's name OpenSSL takes it for one that has signed itself.
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.signed_by(&key, &authority).expect("a certificate");
            write(folder.path(), &format!("{name}.pem"), &certificate.pem());
            write(folder.path(), &format!("{name}.key"), &key.serialize_pem());
        }
        Self { folder }
    }

    /// `ca.pem`, `server.pem`, `server.key`, `client.pem` or `client.key`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A `tls` block of the server's configuration with more lines in it.
    pub fn config(&self, more: &str) -> String {
        let file = |name| self.file(name).display().to_string();
        format!(
            "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\"\n{more} }}",
            file("server.pem"),
            file("server.key"),
            file("ca.pem")
        )
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file");
}
