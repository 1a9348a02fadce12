//! A person signs in on any device, with a code that is shown here (RFC 8628).

use std::borrow::Cow;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::answer::{Seconds, Tokens};
use super::ask::{Answer, Client, Form};
use super::error::told;
use super::{Kept, TokenError, is_meant};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How long to wait between two questions where nothing is said (§3.2), and how much longer after each `slow_down` (§3.5).
const INTERVAL: Duration = Duration::from_secs(5);
/// Nobody is waited for longer than this, whatever the authority says.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// What the person needs to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Where to sign in.
    pub place: String,
    /// What to enter there.
    pub code: String,
    /// How long there is time.
    pub time: Duration,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    device_code: Cow<'a, str>,
    user_code: String,
    /// Some older authorities call it `verification_url`.
    #[serde(alias = "verification_url")]
    verification_uri: String,
    expires_in: Seconds,
    interval: Option<Seconds>,
}

/// What was begun.
struct Begun {
    device_code: SecretString,
    invitation: Invitation,
    interval: Duration,
}

/// Lets a person sign in: `invite` tells them how. Comes back when they did.
///
/// # Errors
/// [`TokenError::Declined`], [`TokenError::TimedOut`], [`TokenError::SomebodyElse`], and what else can come in between.
pub async fn sign_in(client: &Client, user: &str, invite: impl FnOnce(&Invitation)) -> Result<Kept, TokenError> {
    let begun = begin(client).await?;
    invite(&begun.invitation);
    let deadline = client.clock.elapsed() + begun.invitation.time;
    let mut interval = begun.interval;
    loop {
        client.clock.sleep(interval).await;
        if client.clock.elapsed() >= deadline {
            return Err(TokenError::TimedOut);
        }
        match ask(client, &begun.device_code).await {
            Ok(tokens) => return is_meant(tokens, user),
            Err(TokenError::Refused(refusal)) => match refusal.error.as_str() {
                "authorization_pending" => {}
                "slow_down" => interval += INTERVAL,
                "access_denied" | "authorization_declined" => return Err(TokenError::Declined),
                "expired_token" => return Err(TokenError::TimedOut),
                _ => return Err(TokenError::Refused(refusal)),
            },
            // The person is still at it: asked again, more seldom (§3.5).
            Err(TokenError::Unreachable { host, reason }) => {
                tracing::info!(host, reason, "the authority was not reached; asked again");
                interval = (interval * 2).min(INTERVAL * 12);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn begin(client: &Client) -> Result<Begun, TokenError> {
    let endpoints = client.endpoints().await?;
    let Some(url) = endpoints.device.clone() else {
        return Err(TokenError::Settings(
            "the authority does not let people sign in by a code on another device: take the browser (--grant browser)"
                .to_owned(),
        ));
    };
    let scope = client.registration.scope.clone();
    let answer = client.ask(&url, Form::new(&[("scope", &scope)]), None).await?;
    if !answer.status.is_success() {
        return Err(answer.refusal());
    }
    read(&answer)
}

fn read(answer: &Answer<'_>) -> Result<Begun, TokenError> {
    let raw: Raw<'_> =
        serde_json::from_slice(&answer.body).map_err(|_| answer.odd("it holds no code to sign in by"))?;
    let is_secure = Url::parse(&raw.verification_uri).is_ok_and(|url| url.scheme() == "https");
    if !is_secure {
        return Err(answer.odd("it sends to a place that is not https"));
    }
    let seconds = |seconds: &Seconds| Duration::from_secs(seconds.count().unwrap_or_default().into());
    let interval = raw.interval.as_ref().map_or(INTERVAL, seconds);
    Ok(Begun {
        device_code: SecretString::from(raw.device_code.into_owned()),
        invitation: Invitation {
            place: told(&raw.verification_uri, &[]),
            code: told(&raw.user_code, &[]),
            time: seconds(&raw.expires_in).min(LONGEST),
        },
        interval: interval.clamp(Duration::from_secs(1), LONGEST),
    })
}

async fn ask(client: &Client, device_code: &SecretString) -> Result<Tokens, TokenError> {
    client.token(Form::new(&[("grant_type", GRANT)]).secret("device_code", device_code), None).await
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use zeroize::Zeroizing;

    use super::*;

    fn read_text(body: &str) -> Result<Begun, TokenError> {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        read(&Answer { host: "h".to_owned(), status: StatusCode::OK, body, secrets: Vec::new() })
    }

    #[test]
    fn what_an_authority_says_is_believed_within_bounds() {
        let begun = read_text(
            r#"{"device_code":"d","user_code":"AB\u001b[2J","verification_uri":"https://x.org/d","expires_in":999999,"interval":0}"#,
        );
        let begun = begun.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((begun.invitation.code.as_str(), begun.invitation.time), ("AB[2J", LONGEST));
        assert_eq!(begun.interval, Duration::from_secs(1));
        let begun =
            read_text(r#"{"device_code":"d","user_code":"A","verification_url":"https://x.org/d","expires_in":"900"}"#);
        assert_eq!(begun.unwrap_or_else(|error| panic!("{error}")).interval, INTERVAL);
        for bad in [
            r#"{"device_code":"d","user_code":"A","verification_uri":"http://x.org/d","expires_in":9}"#,
            r#"{"device_code":"d","user_code":"A","verification_uri":"javascript:x","expires_in":9}"#,
            "{}",
        ] {
            assert!(matches!(read_text(bad), Err(TokenError::Protocol { .. })), "{bad}");
        }
    }
}
