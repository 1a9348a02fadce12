//! A person signs in in a browser on this machine, which then comes back here (RFC 6749 §4.1, RFC 8252 §7.3), with PKCE (RFC 7636): the code that
//! it brings is of no use to anybody else.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;
use zeroize::Zeroizing;

use super::ask::{Client, Form};
use super::authority::Authority;
use super::error::told;
use super::{Kept, Refusal, TokenError, is_meant};
use crate::clock::within;

/// How long there is time to sign in.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// How long a browser may take to say what it wants.
const SILENCE: Duration = Duration::from_secs(10);
/// The longest request that is read.
const LONGEST: usize = 16 * 1024;

/// Lets a person sign in: `invite` gets the URL to be opened. Comes back when they did.
///
/// # Errors
/// [`TokenError::Declined`], [`TokenError::TimedOut`], [`TokenError::SomebodyElse`], and what else can come in between.
pub async fn sign_in(client: &Client, user: &str, invite: impl FnOnce(&Url)) -> Result<Kept, TokenError> {
    let endpoints = client.endpoints().await?;
    let Some(authorization) = endpoints.authorization.clone() else {
        return Err(TokenError::Settings("the authority does not let people sign in in a browser".to_owned()));
    };
    let listening =
        |error: std::io::Error| TokenError::Kept(format!("nothing can be listened to on 127.0.0.1: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(listening)?;
    let port = listener.local_addr().map_err(listening)?.port();
    // Microsoft takes any port with this name, and other authorities any with the address, as RFC 8252 §7.3 wants it.
    let back = match client.registration.authority {
        Authority::Tenant(_) => format!("http://localhost:{port}/"),
        Authority::Issuer(_) => format!("http://127.0.0.1:{port}/"),
    };
    let (verifier, state) = (random()?, random()?);
    invite(&invitation(client, authorization, &back, user, (&verifier, &state)));
    let mut door = Door { listener, state: &state, issuer: endpoints.issuer.as_deref() };
    let came = within(&*client.clock, PATIENCE, door.wait(client)).await.ok_or(TokenError::TimedOut)?;
    let code = match came? {
        Came::Code(code) => code,
        Came::No(error, _) if error == "access_denied" => return Err(TokenError::Declined),
        Came::No(error, words) => {
            let host = endpoints.token.host_str().unwrap_or_default();
            return Err(TokenError::Refused(Refusal::new(host, &error, &words, &[])));
        }
    };
    let form = Form::new(&[("grant_type", "authorization_code"), ("redirect_uri", &back)]);
    let form = form.secret("code", &code).secret("code_verifier", &verifier);
    is_meant(client.token(form, None).await?, user)
}

/// 256 bits that nobody guesses, as text.
fn random() -> Result<SecretString, TokenError> {
    let mut bytes = Zeroizing::new([0; 32]);
    let filled = rustls::crypto::ring::default_provider().secure_random.fill(&mut *bytes);
    filled.map_err(|_| TokenError::Kept("the system has no random numbers to give".to_owned()))?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(*bytes)))
}

fn invitation(
    client: &Client,
    mut url: Url,
    back: &str,
    user: &str,
    (verifier, state): (&SecretString, &SecretString),
) -> Url {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret()));
    let registration = &client.registration;
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", &registration.client_id),
        ("redirect_uri", back),
        ("scope", &registration.scope),
        ("state", state.expose_secret()),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("login_hint", user),
    ]);
    if let Authority::Issuer(_) = registration.authority {
        // Without it there is nothing to renew the token by (OpenID Connect Core §11). Microsoft would ask people for what only their administrator may allow.
        url.query_pairs_mut().append_pair("prompt", "consent");
    }
    url
}

/// What a browser brings.
#[derive(Debug)]
enum Came {
    Code(SecretString),
    /// An error's name and words.
    No(String, String),
}

/// Where the browser comes back to.
struct Door<'d> {
    listener: TcpListener,
    state: &'d SecretString,
    issuer: Option<&'d str>,
}

impl Door<'_> {
    /// Waits for who brings the right state; others are sent away.
    async fn wait(&mut self, client: &Client) -> Result<Came, TokenError> {
        // Browsers open connections in stock, over which nothing comes for long.
        let mut visitors = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    let (stream, _) = accepted.map_err(|error| TokenError::Kept(format!("nobody can be let in: {error}")))?;
                    let clock = std::sync::Arc::clone(&client.clock);
                    visitors.spawn(async move { within(&*clock, SILENCE, request(stream)).await.flatten() });
                }
                Some(heard) = visitors.join_next(), if !visitors.is_empty() => {
                    let Ok(Some((stream, target))) = heard else { continue };
                    let came = self.judge(&target);
                    answer(stream, came.is_some()).await;
                    if let Some(came) = came {
                        return Ok(came);
                    }
                }
            }
        }
    }

    fn judge(&self, target: &str) -> Option<Came> {
        let (path, query) = target.split_once('?')?;
        let (mut code, mut state, mut issuer, mut error, mut words) = (None, None, None, None, String::new());
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "code" => code = Some(SecretString::from(value.into_owned())),
                "state" => state = Some(SecretString::from(value.into_owned())),
                "iss" => issuer = Some(value.into_owned()),
                "error" => error = Some(told(&value, &[])),
                "error_description" => words = value.into_owned(),
                _ => {}
            }
        }
        let is_ours = state.is_some_and(|state| state.expose_secret() == self.state.expose_secret());
        let is_its = self.issuer.is_none_or(|expected| issuer.as_deref() == Some(expected));
        if path != "/" || !is_ours || !is_its {
            return None;
        }
        match (code, error) {
            (_, Some(error)) => Some(Came::No(error, words)),
            (Some(code), None) => Some(Came::Code(code)),
            (None, None) => None,
        }
    }
}

/// What is asked for; nothing where that makes no sense.
async fn request(mut stream: TcpStream) -> Option<(TcpStream, Zeroizing<String>)> {
    let mut head = Zeroizing::new(Vec::with_capacity(LONGEST));
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() >= LONGEST || stream.read_buf(&mut *head).await.ok()? == 0 {
            return None;
        }
    }
    let line = std::str::from_utf8(head.split(|byte| *byte == b'\r').next()?).ok()?;
    let target = line.strip_prefix("GET ")?.split(' ').next()?.to_owned();
    Some((stream, Zeroizing::new(target)))
}

async fn answer(mut stream: TcpStream, is_welcome: bool) {
    let (status, words) = if is_welcome {
        ("200 OK", "pimsync has what it needs. This window can be closed.")
    } else {
        ("400 Bad Request", "This is not the sign-in that pimsync waits for.")
    };
    let page = format!("<!DOCTYPE html><meta charset=utf-8><title>pimsync</title><p>{words}</p>\n");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
        page.len()
    );
    // The browser may have gone already; what it brought counts.
    let _ = stream.write_all((head + &page).as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn door<'d>(state: &'d SecretString, issuer: Option<&'d str>) -> Door<'d> {
        Door { listener: TcpListener::bind(("127.0.0.1", 0)).await.unwrap(), state, issuer }
    }

    #[tokio::test]
    async fn only_the_right_state_opens_the_door() {
        let state = SecretString::from("right");
        let open = door(&state, None).await;
        assert!(
            matches!(open.judge("/?code=c%2F1&state=right"), Some(Came::Code(code)) if code.expose_secret() == "c/1")
        );
        assert!(
            matches!(open.judge("/?error=access_denied&state=right"), Some(Came::No(error, _)) if error == "access_denied")
        );
        for wrong in
            ["/", "/?code=c", "/?code=c&state=wrong", "/?state=right", "/favicon.ico?code=c&state=right", "/?error=x"]
        {
            assert!(open.judge(wrong).is_none(), "{wrong}");
        }
        let named = door(&state, Some("https://x.org")).await;
        assert!(named.judge("/?code=c&state=right&iss=https%3A%2F%2Fx.org").is_some());
        for wrong in ["/?code=c&state=right", "/?code=c&state=right&iss=https%3A%2F%2Fy.org"] {
            assert!(named.judge(wrong).is_none(), "{wrong}");
        }
    }
}
