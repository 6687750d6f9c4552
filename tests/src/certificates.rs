//! Certificates for one test, and a client that presents them.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64ct::{Base64, Encoding};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType, SigningKey,
    date_time_ymd,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio_rustls::TlsConnector;

use crate::{
    servers::Tls,
    wire::{Response, converse_h2, run},
};

/// Points the symbolic link at `link` to this folder in one step, so that a certificate and its private key change together.
pub fn lead(link: &Path, to: &str) -> io::Result<()> {
    // Appended, because `with_extension` would change a name such as `..data`.
    let mut next = link.as_os_str().to_owned();
    next.push(".next");
    symlink(to, &next)?;
    fs::rename(next, link)
}

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, in PEM files.
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// The validity of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Valid now.
    Current,
    /// No longer valid.
    Expired,
}

impl Authority {
    /// Creates an authority.
    pub fn new() -> io::Result<Authority> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        CertifiedIssuer::self_signed(params, key).map(Authority).map_err(io::Error::other)
    }

    /// Writes files to `folder` for a server under test. The server has the name localhost and trusts this authority.
    pub fn issue_to_server(&self, folder: &Path) -> io::Result<Tls> {
        let authority = folder.join("ca.pem");
        self.write(&authority)?;
        let Identity { certificate, key } = self.issue(folder, "server", &["localhost"], Validity::Current)?;
        Ok(Tls { certificate, key, authority })
    }

    /// Writes the certificate of the authority to `path`.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.0.pem())
    }

    /// Issues a certificate for `names`, as files in `folder` that begin with `file`. Names with a scheme are URIs.
    pub fn issue(&self, folder: &Path, file: &str, names: &[&str], validity: Validity) -> io::Result<Identity> {
        let mut params = CertificateParams::default();
        for name in names {
            let text = (*name).try_into().map_err(io::Error::other)?;
            let is_uri = name.contains("://");
            params.subject_alt_names.push(if is_uri { SanType::URI(text) } else { SanType::DnsName(text) });
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        if validity == Validity::Expired {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
        }
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.0).map_err(io::Error::other)?;
        let identity = Identity {
            certificate: folder.join(format!("{file}_cert.pem")),
            key: folder.join(format!("{file}_key.pem")),
        };
        fs::write(&identity.certificate, certificate.pem())?;
        fs::write(&identity.key, key.serialize_pem())?;
        Ok(identity)
    }

    /// Issues a current certificate of version 1, like some OpenSSL commands. It has no extensions, and so no names.
    pub fn issue_version_1(&self, folder: &Path, file: &str) -> io::Result<Identity> {
        let identity = self.issue(folder, file, &[], Validity::Current)?;
        let certificate = CertificateDer::from_pem_file(&identity.certificate).map_err(io::Error::other)?;
        let [certificate] = &elements(&certificate)?[..] else { return Err(io::ErrorKind::InvalidData.into()) };
        let [to_sign, algorithm, _] = &elements(certificate.content)?[..] else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        // Removes the version and the extensions.
        let kept = elements(to_sign.content)?.into_iter().filter(|element| ![0xa0, 0xa3].contains(&element.tag));
        let to_sign = encode(0x30, &kept.flat_map(|element| element.whole.to_vec()).collect::<Vec<_>>());
        let signature = self.0.key().sign(&to_sign).map_err(io::Error::other)?;
        let signature = encode(0x03, &[&[0], &signature[..]].concat());
        let certificate = encode(0x30, &[&to_sign[..], algorithm.whole, &signature].concat());
        let text = Base64::encode_string(&certificate);
        fs::write(&identity.certificate, format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"))?;
        Ok(identity)
    }

    /// Issues a current certificate for a client with this name, in a new folder, with the file names of Kubernetes.
    pub fn issue_into(&self, folder: &Path, name: &str) -> io::Result<()> {
        fs::create_dir(folder)?;
        let identity = self.issue(folder, "client", &[name], Validity::Current)?;
        fs::rename(identity.certificate, folder.join("tls.crt"))?;
        fs::rename(identity.key, folder.join("tls.key"))
    }

    /// Returns a client that trusts this authority's servers, and presents `identity`.
    pub fn client(&self, identity: Option<&Identity>) -> io::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).map_err(io::Error::other)?;
        let config = ClientConfig::builder().with_root_certificates(roots);
        let Some(identity) = identity else { return Ok(config.with_no_client_auth()) };
        let certificate = CertificateDer::from_pem_file(&identity.certificate).map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(io::Error::other)?;
        let key = any_supported_type(&key).map_err(io::Error::other)?;
        // Not `with_client_auth_cert`, because it rejects a certificate of version 1.
        let certified = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
        Ok(config.with_client_cert_resolver(Arc::new(certified)))
    }
}

/// An element of DER.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

fn elements(mut der: &[u8]) -> io::Result<Vec<Element<'_>>> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut elements = Vec::new();
    while let [tag, first, rest @ ..] = der {
        let (len, header) = if *first < 0x80 {
            (usize::from(*first), 2)
        } else {
            let bytes = usize::from(first & 0x7f);
            let len = rest.get(..bytes).ok_or_else(invalid)?;
            (len.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), 2 + bytes)
        };
        let whole = der.get(..header + len).ok_or_else(invalid)?;
        elements.push(Element { tag: *tag, content: &whole[header..], whole });
        der = &der[whole.len()..];
    }
    Ok(elements)
}

fn encode(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes(); // no content here is longer
    let head: &[u8] = match (high, low) {
        (0, ..0x80) => &[tag, low],
        (0, _) => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [head, content].concat()
}

/// Sends `request` to `server`, whose name is localhost, and reads until the connection is closed.
pub fn exchange_tls(server: SocketAddr, client: &ClientConfig, request: &[u8]) -> io::Result<String> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(client.clone()), name).map_err(io::Error::other)?;
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        read?;
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Sends `request` like [`exchange_tls`], with the protocols that Prometheus offers. The server must choose HTTP/2.
pub fn exchange_tls_h2(server: SocketAddr, client: &ClientConfig, request: &[u8]) -> io::Result<Response> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let mut client = client.clone();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    run(async {
        let stream = tokio::net::TcpStream::connect(server).await?;
        let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => converse_h2(stream, request).await,
            other => Err(io::Error::other(format!("the server chose {:?}", other.map(String::from_utf8_lossy)))),
        }
    })
}
