//! What an authority says, read from its JSON.

use std::borrow::Cow;

use secrecy::SecretString;
use serde::Deserialize;

use super::ask::Answer;
use super::{Access, Kept, Life, TokenError, claims};
use crate::pim::UnixTime;

/// What comes with a token (RFC 6749 §5.1).
pub(super) struct Tokens {
    pub(super) kept: Kept,
    /// Who signed in, where that is told (OpenID Connect Core §2).
    pub(super) who: Option<String>,
}

#[derive(Deserialize)]
struct RawTokens<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    #[serde(borrow)]
    token_type: Cow<'a, str>,
    #[serde(default)]
    expires_in: Option<Seconds>,
    #[serde(borrow, default)]
    refresh_token: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id_token: Option<Cow<'a, str>>,
}

/// Some authorities write numbers as text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Seconds {
    Number(u32),
    Text(String),
}

impl Seconds {
    pub(super) fn count(&self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

#[derive(Deserialize)]
struct RawError {
    error: String,
    #[serde(default)]
    error_description: String,
}

pub(super) fn tokens(answer: &Answer<'_>, now: UnixTime) -> Result<Tokens, TokenError> {
    if !answer.status.is_success() {
        return Err(answer.refusal());
    }
    // The error's own words could tell what was sent.
    let raw: RawTokens<'_> =
        serde_json::from_slice(&answer.body).map_err(|_| answer.odd("it holds no token where one was promised"))?;
    if !raw.token_type.eq_ignore_ascii_case("bearer") {
        return Err(answer.odd("its token is not of the kind Bearer"));
    }
    let is_sendable = |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_sendable(&raw.access_token) || raw.refresh_token.as_deref().is_some_and(|token| !is_sendable(token)) {
        return Err(answer.odd("its token cannot be sent"));
    }
    let secret = |text: Cow<'_, str>| SecretString::from(text.into_owned());
    let life = raw.expires_in.and_then(|seconds| seconds.count()).map(|seconds| Life::new(now, seconds));
    Ok(Tokens {
        who: raw.id_token.as_deref().and_then(claims::who),
        kept: Kept { access: Access { token: secret(raw.access_token), life }, refresh: raw.refresh_token.map(secret) },
    })
}

/// The error's name and words.
pub(super) fn error(answer: &Answer<'_>) -> Option<(String, String)> {
    let raw: RawError = serde_json::from_slice(&answer.body).ok()?;
    Some((raw.error, raw.error_description))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::StatusCode;
    use secrecy::ExposeSecret as _;
    use zeroize::Zeroizing;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer<'static> {
        let (host, status) = ("login.example.org".to_owned(), StatusCode::from_u16(status).unwrap());
        Answer { host, status, body: Zeroizing::new(body.as_bytes().to_vec()), secrets: Vec::new() }
    }

    #[test]
    fn tokens_are_read_as_authorities_write_them() {
        let read = |body: &str| tokens(&answer(200, body), UnixTime(1000)).unwrap_or_else(|error| panic!("{error}"));
        let told =
            read(r#"{"token_type":"Bearer","access_token":"a","refresh_token":"r\/1","expires_in":3600,"more":[1]}"#);
        assert_eq!(told.kept.access.token.expose_secret(), "a");
        assert_eq!(told.kept.refresh.unwrap().expose_secret(), "r/1");
        assert_eq!(told.kept.access.life, Some(Life::new(UnixTime(1000), 3600)));
        let told = read(r#"{"token_type":"bearer","access_token":"a","expires_in":"60"}"#);
        assert_eq!(told.kept.access.life.unwrap().end, UnixTime(1060));
        assert!(told.kept.refresh.is_none() && told.who.is_none());
    }

    #[test]
    fn no_error_tells_a_token() {
        for body in [
            r#"{"token_type":"mac","access_token":"hunter2"}"#,
            r#"{"token_type":"Bearer","access_token":"hunter2\r\nX: y"}"#,
            r#"{"token_type":"Bearer","access_token":"hunter2","expires_in":[]}"#,
            r#"{"access_token":"hunter2"}"#,
            "hunter2",
        ] {
            let error = tokens(&answer(200, body), UnixTime(0)).err().unwrap();
            assert!(matches!(error, TokenError::Protocol { .. }), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_no_is_told_with_its_reason() {
        let said = r#"{"error":"invalid_grant","error_description":"AADSTS50173: expired","error_codes":[50173]}"#;
        match tokens(&answer(400, said), UnixTime(0)).err().unwrap() {
            TokenError::Refused(refusal) => {
                assert_eq!((refusal.error.as_str(), refusal.aadsts), ("invalid_grant", Some(50173)))
            }
            other => panic!("{other}"),
        }
        let page = tokens(&answer(404, "<html>"), UnixTime(0)).err().unwrap();
        assert!(matches!(page, TokenError::Protocol { .. }), "{page}");
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd(status in prop::sample::select(vec![200_u16, 400, 401]), body in "[ -~]{0,80}") {
            let _ = tokens(&answer(status, &body), UnixTime(0));
        }
    }
}
