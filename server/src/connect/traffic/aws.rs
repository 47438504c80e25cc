//! Requests to AWS, signed by AWS's own crate. Whose key signs them stands in the server's configuration or in the standard
//! environment, never in the estate.

use crate::{
    config::{Aws, Config, read_secret},
    connect::pinned,
};
use anyhow::{Context, bail};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use reqwest::{Client, Method, StatusCode, Url, header::HeaderMap};
use std::{
    env,
    time::{Duration, SystemTime},
};

/// A single request is given up after this long.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
const LONGEST_ANSWER: usize = 512 * 1024;

/// Asks one service of AWS.
pub(super) struct Signer {
    identity: Identity,
    /// The name that requests are signed for.
    service: &'static str,
    client: Client,
}

/// What is asked.
pub(super) struct Question<'a> {
    pub method: Method,
    pub url: &'a Url,
    /// The region of AWS that it is signed for.
    pub region: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: String,
}

impl Signer {
    /// # Errors
    /// No key in the configuration nor in the environment, or one that cannot be read.
    pub(super) fn new(service: &'static str, config: &Config) -> anyhow::Result<Self> {
        Ok(Self { identity: credentials(config.aws.as_ref())?.into(), service, client: pinned::client(HeaderMap::new(), PATIENCE)? })
    }

    /// Asks once.
    ///
    /// # Errors
    /// No answer within `PATIENCE`, or one that is too long.
    pub(super) async fn ask(&self, question: Question<'_>) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let host = question.url.host_str().unwrap_or_default();
        pinned::check(question.url, PATIENCE).await?;
        let request = self.signed(&question).context("the request cannot be signed")?;
        let answer = self.client.execute(request).await;
        let answer = answer.map_err(|error| anyhow::anyhow!("{host} gives no answer: {}", pinned::innermost(&error)))?;
        let status = answer.status();
        Ok((status, pinned::body(answer, "AWS's", LONGEST_ANSWER).await?))
    }

    fn signed(&self, question: &Question<'_>) -> anyhow::Result<reqwest::Request> {
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(question.region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let (method, url) = (question.method.as_str(), question.url.as_str());
        let signable = SignableRequest::new(method, url, question.headers.iter().copied(), SignableBody::Bytes(question.body.as_bytes()))?;
        let (signature, _) = sign(signable, &params)?.into_parts();
        let mut request = http::Request::builder().method(question.method.clone()).uri(url);
        for (name, value) in question.headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(question.body.clone())?;
        signature.apply_to_request_http1x(&mut request);
        Ok(request.try_into()?)
    }
}

fn credentials(declared: Option<&Aws>) -> anyhow::Result<Credentials> {
    if let Some(key) = declared.and_then(|aws| aws.key.as_ref()) {
        let token = key.session_token_file.as_deref().map(read_secret).transpose()?;
        return Ok(Credentials::new(&key.id, read_secret(&key.secret_file)?, token, None, "lifeboat"));
    }
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        (Some(id), Some(secret)) => Ok(Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "environment")),
        _ => bail!(
            "no key of AWS is known: the configuration has no [aws.key] with id and secret_file, and the environment neither AWS_ACCESS_KEY_ID nor AWS_SECRET_ACCESS_KEY"
        ),
    }
}
