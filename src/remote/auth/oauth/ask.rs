//! One question to an authority, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use reqwest::header::{self, HeaderValue};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;
use url::Url;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::answer;
use super::authority::{Authority, Endpoints, SecretGoes};
use super::{Refusal, TokenError};
use crate::clock::{Clock, within};
use crate::remote::reach::Reach;
use crate::remote::tls::{self, chain};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The longest answer that is read.
const LONGEST: usize = 256 * 1024;

/// How a program is known to an authority, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Who issues the tokens.
    pub authority: Authority,
    /// The program's name there.
    pub client_id: String,
    /// What the tokens are to be good for, separated by spaces (RFC 6749 §3.3).
    pub scope: String,
}

/// The way to an authority.
pub struct Client {
    pub(super) registration: Registration,
    pub(super) clock: Arc<dyn Clock>,
    http: reqwest::Client,
    endpoints: OnceCell<Endpoints>,
}

/// The fields of a request. What of them is secret is never told back.
pub(super) struct Form<'s> {
    fields: Vec<(&'static str, &'s str)>,
    secrets: Vec<&'s str>,
}

impl<'s> Form<'s> {
    pub(super) fn new(fields: &[(&'static str, &'s str)]) -> Self {
        Self { fields: fields.to_vec(), secrets: Vec::new() }
    }

    pub(super) fn secret(mut self, name: &'static str, value: &'s SecretString) -> Self {
        let value = value.expose_secret();
        self.fields.push((name, value));
        self.secrets.push(value);
        self
    }

    fn encoded(&self) -> Zeroizing<Vec<u8>> {
        let longest = self.fields.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum();
        // Never grows, so that no part of it is left behind in freed memory.
        let mut out = Zeroizing::new(Vec::with_capacity(longest));
        for (name, value) in &self.fields {
            if !out.is_empty() {
                out.push(b'&');
            }
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            byte_serialize(value.as_bytes()).for_each(|part| out.extend_from_slice(part.as_bytes()));
        }
        out
    }
}

/// An answer's body, and what it was asked with.
pub(super) struct Answer<'s> {
    pub(super) host: String,
    pub(super) status: StatusCode,
    pub(super) body: Zeroizing<Vec<u8>>,
    pub(super) secrets: Vec<&'s str>,
}

impl Answer<'_> {
    pub(super) fn odd(&self, reason: impl Into<String>) -> TokenError {
        TokenError::Protocol { host: self.host.clone(), reason: reason.into() }
    }
}

impl Client {
    /// Prepares the way. Nothing is sent yet. Of `reach`, authorities and proxy hold; a pin and a certificate of one's own are for the server alone.
    ///
    /// # Errors
    /// [`TokenError::Settings`] where the certificates or the proxy cannot be used.
    pub fn new(registration: Registration, reach: &Reach, clock: Arc<dyn Clock>) -> Result<Self, TokenError> {
        let reach = Reach { ca_file: reach.ca_file.clone(), proxy: reach.proxy.clone(), ..Reach::default() };
        let settings = |reason: String| TokenError::Settings(reason);
        // Fails only if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = tls::config(&reach).map_err(|error| settings(error.to_string()))?;
        let builder = reqwest::Client::builder()
            .user_agent(concat!("pimsync/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(LIMIT / 2)
            .https_only(true)
            .http1_only()
            .retry(reqwest::retry::never())
            .tls_backend_preconfigured(config);
        let builder = match &reach.proxy {
            None => builder,
            Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.as_str()).map_err(|error| settings(chain(&error)))?),
        };
        let http = builder.build().map_err(|error| settings(chain(&error)))?;
        Ok(Self { registration, clock, http, endpoints: OnceCell::new() })
    }

    /// Where to ask for what; asked for once.
    pub(super) async fn endpoints(&self) -> Result<&Endpoints, TokenError> {
        self.endpoints.get_or_try_init(|| self.find_endpoints()).await
    }

    async fn find_endpoints(&self) -> Result<Endpoints, TokenError> {
        let authority = &self.registration.authority;
        let Some(url) = authority.metadata_url() else { return authority.own_endpoints() };
        let answer = self.answer(self.http.get(url.clone()), &url, Vec::new()).await?;
        if answer.status != StatusCode::OK {
            return Err(answer.odd(format!("HTTP {} at {url}; is that the authority?", answer.status.as_u16())));
        }
        authority.read_metadata(&answer)
    }

    /// Asks with a form, and with the program's own secret, if it has one.
    pub(super) async fn ask<'s>(
        &self,
        url: &Url,
        form: Form<'s>,
        secret: Option<&'s SecretString>,
    ) -> Result<Answer<'s>, TokenError> {
        let client_id = &self.registration.client_id;
        let mut secrets = form.secrets.clone();
        secrets.extend(secret.map(ExposeSecret::expose_secret));
        let mut request = self.http.post(url.clone());
        let mut form: Form<'_> = form;
        match (secret, self.endpoints().await?.secret_goes) {
            (Some(secret), SecretGoes::Header) => {
                request = request.header(header::AUTHORIZATION, basic(client_id, secret)?);
            }
            (secret, _) => {
                form.fields.push(("client_id", client_id));
                form.fields.extend(secret.map(|secret| ("client_secret", secret.expose_secret())));
            }
        }
        let encoded = form.encoded();
        let request =
            request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(Bytes::from_owner(encoded));
        self.answer(request, url, secrets).await
    }

    async fn answer<'s>(
        &self,
        request: RequestBuilder,
        url: &Url,
        secrets: Vec<&'s str>,
    ) -> Result<Answer<'s>, TokenError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let lost = |reason: String| TokenError::Unreachable { host: host.clone(), reason };
        let asking = async {
            let response = request.header(header::ACCEPT, "application/json").send().await;
            let response = response.map_err(|error| broken(&host, &error))?;
            let status = response.status();
            let mut chunks = response.bytes_stream();
            // Never grows, so that no part of it is left behind in freed memory.
            let mut body = Zeroizing::new(Vec::with_capacity(LONGEST));
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(|error| lost(chain(&error)))?;
                if body.len() + chunk.len() > LONGEST {
                    return Err(TokenError::Protocol { host: host.clone(), reason: "it has no end".to_owned() });
                }
                body.extend_from_slice(&chunk);
            }
            Ok((status, body))
        };
        let (status, body) =
            within(&*self.clock, LIMIT, asking).await.ok_or_else(|| lost("no answer in time".to_owned()))??;
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Err(lost(format!("HTTP {}", status.as_u16())));
        }
        Ok(Answer { host, status, body, secrets })
    }

    /// Asks for a token.
    ///
    /// # Errors
    /// [`TokenError::Refused`] with what the authority says.
    pub(super) async fn token(
        &self,
        form: Form<'_>,
        secret: Option<&SecretString>,
    ) -> Result<answer::Tokens, TokenError> {
        let url = self.endpoints().await?.token.clone();
        let answer = self.ask(&url, form, secret).await?;
        answer::tokens(&answer, self.clock.now())
    }
}

/// RFC 6749 §2.3.1: both encoded as in a form before.
fn basic(client_id: &str, secret: &SecretString) -> Result<HeaderValue, TokenError> {
    use base64::Engine as _;
    let encode = |text: &str| Zeroizing::new(byte_serialize(text.as_bytes()).collect::<String>());
    let pair = Zeroizing::new(format!("{}:{}", *encode(client_id), *encode(secret.expose_secret())));
    let header =
        Zeroizing::new(format!("Basic {}", *Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(&*pair))));
    let mut value = HeaderValue::from_str(&header)
        .map_err(|_| TokenError::Settings("the client's secret cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A certificate that is not trusted stays so: no use to try again.
fn broken(host: &str, error: &reqwest::Error) -> TokenError {
    let (host, reason) = (host.to_owned(), chain(error));
    if error.is_connect() && reason.to_ascii_lowercase().contains("certificate") {
        return TokenError::Untrusted { host, reason };
    }
    TokenError::Unreachable { host, reason }
}

impl Answer<'_> {
    /// How the authority says no.
    pub(super) fn refusal(&self) -> TokenError {
        match answer::error(self) {
            Some((error, words)) => TokenError::Refused(Refusal::new(&self.host, &error, &words, &self.secrets)),
            None => self.odd(format!("HTTP {}, without a reason", self.status.as_u16())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_written_as_browsers_write_it() {
        let secret = SecretString::from("a+b &=ß");
        let form = Form::new(&[("grant_type", "urn:x"), ("scope", "a b")]).secret("code", &secret);
        assert_eq!(&**form.encoded(), b"grant_type=urn%3Ax&scope=a+b&code=a%2Bb+%26%3D%C3%9F");
        assert_eq!(form.secrets, ["a+b &=ß"]);
    }

    #[test]
    fn a_secret_in_the_header_is_encoded_first() {
        let value = basic("client", &SecretString::from("p:w")).unwrap();
        assert_eq!(value.to_str().unwrap(), "Basic Y2xpZW50OnAlM0F3");
        assert!(value.is_sensitive());
    }
}
