//! TLS towards PostgreSQL, with the rustls that HTTP and mail use already; a crate of its own for these few lines would bring
//! nothing but another version to keep up with.

use anyhow::{Context as _, bail};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Socket,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// How to encrypt the connections of one cluster.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    /// The name the certificate must be for, where that is not the host that is connected to.
    name: Option<ServerName<'static>>,
}

/// What the server's certificate must be.
pub enum Trust<'a> {
    /// Anything: nobody who only listens can read along, and whoever stands in between can.
    Any,
    /// Signed by an authority in this file, for the host that is connected to.
    Full { ca_file: &'a Path },
}

/// A certificate to show to servers that ask for one.
pub struct Shown<'a> {
    pub cert_file: &'a Path,
    pub key_file: &'a Path,
}

impl Tls {
    /// # Errors
    /// A file that is missing or holds something else, by its name.
    pub fn new(trust: Trust, shown: Option<Shown>) -> anyhow::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let config = match trust {
            Trust::Any => config.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
            Trust::Full { ca_file } => config.with_root_certificates(authorities(ca_file)?),
        };
        let config = match shown {
            None => config.with_no_client_auth(),
            Some(Shown { cert_file, key_file }) => {
                let chain = certificates(cert_file)?;
                let key = PrivateKeyDer::from_pem_file(key_file).with_context(|| format!("{} holds no private key in PEM", key_file.display()))?;
                let fits = || format!("the certificate in {} and the key in {} cannot be used together", cert_file.display(), key_file.display());
                config.with_client_auth_cert(chain, key).with_context(fits)?
            }
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name: None })
    }

    /// The same for a server whose certificate is for `name`, whatever address it is reached by.
    ///
    /// # Errors
    /// Where `name` is neither a DNS name nor an IP address.
    pub fn for_name(&self, name: &str) -> anyhow::Result<Self> {
        Ok(Self { connector: self.connector.clone(), name: Some(server_name(name)?) })
    }
}

fn server_name(name: &str) -> anyhow::Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned())
        .with_context(|| format!("“{name}” is neither a DNS name nor an IP address, so no certificate can be for it"))
}

/// The certificates in a file.
///
/// # Errors
/// A file that cannot be read as PEM, or holds none.
pub(crate) fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.with_context(|| format!("{} cannot be read as certificates in PEM", file.display()))?;
    if found.is_empty() {
        bail!("{} holds no certificate in PEM", file.display());
    }
    Ok(found)
}

fn authorities(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file)? {
        store.add(certificate).with_context(|| format!("a certificate in {} is none of an authority", file.display()))?;
    }
    Ok(store)
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = Handshake;
    type Error = anyhow::Error;

    fn make_tls_connect(&mut self, host: &str) -> anyhow::Result<Handshake> {
        let name = self.name.clone().map_or_else(|| server_name(host), Ok)?;
        Ok(Handshake { connector: self.connector.clone(), name })
    }
}

pub struct Handshake {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = anyhow::Error;
    type Future = Pin<Box<dyn Future<Output = anyhow::Result<Encrypted>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move {
            let wanted = self.name.to_str().into_owned();
            self.connector.connect(self.name, stream).await.map(Encrypted).map_err(|error| anyhow::anyhow!(in_words(&error, &wanted)))
        })
    }
}

/// What is wrong with a handshake, and what to do.
fn in_words(error: &io::Error, wanted: &str) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(wrong)) = cause else {
        return format!("no TLS with {wanted}: {error}");
    };
    match wrong {
        // The latter where an authority of that name is known, and is another one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "the certificate of {wanted} is signed by no authority in ca_file: add the one that signed it there, or find out who answers in its place"
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = match wrong {
                CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => format!("for {}", presented.join(", ")),
                _ => "for no name (rustls reads subjectAltName only)".to_owned(),
            };
            format!(
                "the certificate that was shown is not for {wanted} but {names}: use that name in the estate, or make one with subjectAltName {wanted}"
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {wanted} has expired: renew it, and check the clock here")
        }
        other => format!("the certificate of {wanted} is not accepted: {other}"),
    }
}

/// Takes any certificate; that whoever shows it has its key is checked all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A stream of PostgreSQL's protocol within TLS.
pub struct Encrypted(TlsStream<Socket>);

impl tokio_postgres::tls::TlsStream for Encrypted {
    /// Would take the hash that the certificate was signed with. Without it passwords travel as they do without TLS, proven
    /// and never shown; that nobody stands in between is the certificate's to say.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, buffer)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
