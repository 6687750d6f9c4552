//! Certificates for one test, and a client that presents them.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64ct::{Base64, Encoding};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
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
    wire::{Response, connect, converse, converse_h2, run, to_h2},
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
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    Current,
    Expired,
}

impl Authority {
    pub fn new() -> io::Result<Authority> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()))
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
            let text = (*name).try_into().unwrap();
            let is_uri = name.contains("://");
            params.subject_alt_names.push(if is_uri { SanType::URI(text) } else { SanType::DnsName(text) });
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        if validity == Validity::Expired {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
        }
        let private = KeyPair::generate().unwrap();
        let [certificate, key] = ["cert", "key"].map(|part| folder.join(format!("{file}_{part}.pem")));
        fs::write(&certificate, params.signed_by(&private, &self.0).unwrap().pem())?;
        fs::write(&key, private.serialize_pem())?;
        Ok(Identity { certificate, key })
    }

    /// Issues a certificate and changes its version to 1. Servers read the version before they check the signature.
    pub fn issue_version_1(&self, folder: &Path, file: &str) -> Identity {
        let identity = self.issue(folder, file, &[], Validity::Current).unwrap();
        let mut der = CertificateDer::from_pem_file(&identity.certificate).unwrap().to_vec();
        // The first field contains the integer 2, which means version 3 (RFC 5280, section 4.1).
        let version = der.windows(5).position(|bytes| bytes == [0xa0, 3, 2, 1, 2]).unwrap();
        der[version + 4] = 0;
        let text = Base64::encode_string(&der);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        fs::write(&identity.certificate, pem).unwrap();
        identity
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
        roots.add(self.0.der().clone()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots);
        let Some(identity) = identity else { return Ok(config.with_no_client_auth()) };
        let certificate = CertificateDer::from_pem_file(&identity.certificate).unwrap();
        let key = any_supported_type(&PrivateKeyDer::from_pem_file(&identity.key).unwrap()).unwrap();
        // Not `with_client_auth_cert`, because it rejects a certificate of version 1.
        let certified = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
        Ok(config.with_client_cert_resolver(Arc::new(certified)))
    }
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// Sends `request` like [`exchange`](crate::wire::exchange) to a server with the name localhost. If the server rejects the
/// certificate, the error contains its alert.
pub fn exchange_tls(server: SocketAddr, client: &ClientConfig, request: &[u8]) -> io::Result<Response> {
    let connection = ClientConnection::new(Arc::new(client.clone()), localhost()).unwrap();
    converse(StreamOwned::new(connection, connect(server)?), request)
}

/// Sends `request` like [`exchange_tls`], with the protocols that Prometheus offers. The server must choose HTTP/2.
pub fn exchange_tls_h2(server: SocketAddr, client: &ClientConfig, request: &[u8]) -> io::Result<Response> {
    let mut client = client.clone();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    run(async {
        let stream = tokio::net::TcpStream::connect(server).await?;
        let stream = TlsConnector::from(Arc::new(client)).connect(localhost(), stream).await?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        converse_h2(stream, to_h2(request).unwrap()).await
    })
}
