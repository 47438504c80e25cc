//! Mail through an SMTP server. A message has the same Message-ID whenever it is sent again, and refers to its incident, so
//! that mail programs show one thread for each.

use super::{Carrier, text};
use crate::{
    config::Tls,
    connect::{postgres::certificates, probe::permitted},
};
use anyhow::Context;
use async_trait::async_trait;
use engine::notifications::Delivery;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls as SmtpTls, TlsParameters},
        extension::ClientId,
    },
};
use sha2::{Digest, Sha256};
use std::{path::Path, time::Duration};

/// For each command; the courier bounds the whole.
const PATIENCE: Duration = Duration::from_secs(8);
const LONGEST_SUBJECT: usize = 200;

pub(super) struct Mail {
    host: String,
    port: u16,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// Where mail is handed over.
pub(super) struct Server<'a> {
    pub host: &'a str,
    pub port: u16,
    pub tls: Tls,
    /// Who signs its certificate; absent for the public authorities.
    pub ca_file: Option<&'a Path>,
}

impl Server<'_> {
    fn parameters(&self) -> anyhow::Result<TlsParameters> {
        let mut parameters = TlsParameters::builder(self.host.to_owned());
        if let Some(file) = self.ca_file {
            parameters = parameters.certificate_store(CertificateStore::None);
            for authority in certificates(file)? {
                parameters = parameters.add_root_certificate(Certificate::from_der(authority.to_vec())?);
            }
        }
        parameters.build().with_context(|| format!("TLS towards {} cannot be set up", self.host))
    }
}

impl Mail {
    /// # Errors
    /// A host that no certificate can name, authorities that cannot be read.
    pub(super) fn new(server: Server<'_>, login: Option<(String, String)>, from: Mailbox, to: Vec<Mailbox>) -> anyhow::Result<Self> {
        let parameters = || server.parameters();
        let Server { host, port, .. } = server;
        let tls = match server.tls {
            Tls::Starttls => SmtpTls::Required(parameters()?),
            Tls::Implicit => SmtpTls::Wrapper(parameters()?),
            Tls::None => SmtpTls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(PATIENCE))
            .hello_name(ClientId::Domain(from.email.domain().to_owned()));
        if let Some((user, password)) = login {
            transport = transport.credentials(Credentials::new(user, password));
        }
        Ok(Self { host: host.to_owned(), port, transport: transport.build(), from, to })
    }

    fn letter(&self, delivery: &Delivery, link: &str) -> anyhow::Result<Message> {
        let domain = self.from.email.domain();
        let subject: String = text::headline(delivery).chars().take(LONGEST_SUBJECT).collect();
        let mut letter = Message::builder()
            .from(self.from.clone())
            .subject(format!("Lifeboat {subject}"))
            .message_id(Some(format!("<{}@{domain}>", delivery.id)))
            .date(delivery.written.into())
            .header(ContentType::TEXT_PLAIN)
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
        for one in &self.to {
            letter = letter.to(one.clone());
        }
        if let Some(incident) = &delivery.incident {
            let digest = Sha256::digest(incident.to_string().as_bytes());
            let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            letter = letter.references(format!("<{name}@{domain}>")).in_reply_to(format!("<{name}@{domain}>"));
        }
        let since = text::since(delivery).map(|since| format!("{since}\n")).unwrap_or_default();
        let body = format!("{}\n{since}\n{}\n\n{link}\n", text::headline(delivery), delivery.next);
        letter.body(body).context("the mail cannot be put together")
    }
}

#[async_trait]
impl Carrier for Mail {
    async fn carry(&self, delivery: &Delivery, link: &str) -> anyhow::Result<String> {
        let letter = self.letter(delivery, link)?;
        permitted(&self.host, self.port).await.map_err(anyhow::Error::msg)?;
        let said = self.transport.send(letter).await.with_context(|| format!("{} does not take the mail", self.host))?;
        let lines: Vec<&str> = said.message().collect();
        Ok(format!("{} {}", said.code(), lines.join(" ")))
    }
}
