//! Those who are told: a web service that takes JSON, and a mail server, each of which can refuse, stall and count.

use axum::{Router, extract::State, response::IntoResponse};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// How a receiver treats what comes.
#[derive(Clone, PartialEq, Debug)]
pub enum Behaviour {
    Accept,
    /// With this status and text.
    Refuse(u16, String),
    /// Takes it and never answers.
    Stall,
}

/// What a web service received.
#[derive(Clone, Debug)]
pub struct Heard {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Heard {
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }
    pub fn text(&self) -> &str {
        self.body["text"].as_str().unwrap_or_default()
    }
}

#[derive(Clone)]
pub struct WebService {
    pub port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl WebService {
    pub async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let service = Self { port, heard: Arc::default(), behaviour: Arc::new(Mutex::new(behaviour)) };
        let router = Router::new().fallback(take).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        service
    }
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

async fn take(State(service): State<WebService>, uri: Uri, headers: HeaderMap, body: String) -> axum::response::Response {
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    service.heard.lock().unwrap().push(Heard { path: uri.path().to_owned(), headers, body });
    let behaviour = service.behaviour.lock().unwrap().clone();
    match behaviour {
        Behaviour::Accept => (StatusCode::OK, "ok").into_response(),
        Behaviour::Refuse(status, text) => {
            (StatusCode::from_u16(status).unwrap(), [("location", "http://127.0.0.1:1/elsewhere")], text).into_response()
        }
        Behaviour::Stall => std::future::pending().await,
    }
}

/// A mail as it was handed over.
#[derive(Clone, Debug, Default)]
pub struct Letter {
    pub to: Vec<String>,
    pub text: String,
}

impl Letter {
    /// The value of a header, unfolded.
    pub fn header(&self, name: &str) -> String {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ").replace("\r\n\t", " ");
        let lines = head.split("\r\n").find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
        lines.unwrap_or_default()
    }
}

/// A mail server that knows EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, RSET, NOOP and QUIT.
#[derive(Clone)]
pub struct MailServer {
    pub port: u16,
    letters: Arc<Mutex<Vec<Letter>>>,
    said: Arc<Mutex<Vec<String>>>,
    behaviour: Arc<Mutex<Behaviour>>,
    /// Absent where it offers no STARTTLS.
    tls: Option<TlsAcceptor>,
}

impl MailServer {
    pub async fn start(behaviour: Behaviour) -> Self {
        Self::with(behaviour, None).await
    }
    pub async fn with(behaviour: Behaviour, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, letters: Arc::default(), said: Arc::default(), behaviour: Arc::new(Mutex::new(behaviour)), tls };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = serving.clone();
                // A client that goes away in the middle is what some tests are about.
                tokio::spawn(async move { server.converse(stream).await.ok() });
            }
        });
        server
    }
    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }
    pub fn letters(&self) -> Vec<Letter> {
        self.letters.lock().unwrap().clone()
    }
    /// Every command a client gave; what came encrypted begins with “🔒 ”.
    pub fn commands(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    async fn converse(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let behaviour = self.behaviour.lock().unwrap().clone();
        if behaviour == Behaviour::Stall {
            std::future::pending::<()>().await;
        }
        say(&mut stream, "220 mail.test").await?;
        let starttls = if self.tls.is_some() { "250-STARTTLS\r\n" } else { "" };
        let upgrade = self.session(&mut stream, &behaviour, starttls, "").await?;
        if let Some(tls) = self.tls.as_ref().filter(|_| upgrade) {
            let mut stream = BufReader::new(tls.accept(stream.into_inner()).await?);
            self.session(&mut stream, &behaviour, "", "🔒 ").await?;
        }
        Ok(())
    }

    /// Until the client ends it, or asks for TLS (then true).
    async fn session<S>(&self, stream: &mut BufReader<S>, behaviour: &Behaviour, offers: &str, mark: &str) -> std::io::Result<bool>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut letter, mut line) = (Letter::default(), String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(false);
            }
            self.said.lock().unwrap().push(format!("{mark}{}", line.trim_end()));
            let verb = line.get(..4).unwrap_or_default().to_uppercase();
            match (verb.as_str(), behaviour) {
                ("EHLO", _) => say(stream, &format!("250-mail.test\r\n{offers}250-8BITMIME\r\n250 AUTH PLAIN")).await?,
                ("STAR", _) if !offers.is_empty() => {
                    say(stream, "220 go on").await?;
                    return Ok(true);
                }
                ("AUTH", Behaviour::Refuse(code, text)) | ("RCPT", Behaviour::Refuse(code, text)) => say(stream, &format!("{code} {text}")).await?,
                ("AUTH", _) => say(stream, "235 welcome").await?,
                ("RCPT", _) => {
                    letter.to.push(line.trim_end()["RCPT TO:".len()..].trim_matches(['<', '>']).to_owned());
                    say(stream, "250 ok").await?;
                }
                ("DATA", _) => {
                    say(stream, "354 go on").await?;
                    loop {
                        line.clear();
                        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
                            break;
                        }
                        letter.text += line.strip_prefix('.').unwrap_or(&line);
                    }
                    self.letters.lock().unwrap().push(std::mem::take(&mut letter));
                    say(stream, "250 2.0.0 queued as 4711").await?;
                }
                ("QUIT", _) => return say(stream, "221 bye").await.map(|()| false),
                _ => say(stream, "250 ok").await?,
            }
        }
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, text: &str) -> std::io::Result<()> {
    stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await
}
