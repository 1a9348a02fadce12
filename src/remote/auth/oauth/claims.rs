//! Who signed in, by the ID token that comes along (OpenID Connect Core §2). It comes straight from the authority over TLS, so that its signature
//! need not be checked (§3.1.3.7).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::error::told;

#[derive(Deserialize)]
struct Claims {
    preferred_username: Option<String>,
    upn: Option<String>,
    email: Option<String>,
}

/// The name of who signed in, where one is told that is like a mail address.
pub(super) fn who(id_token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(id_token.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    let names = [claims.preferred_username, claims.upn, claims.email];
    names.into_iter().flatten().map(|name| told(&name, &[])).find(|name| name.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_signed_in_is_told_where_it_is_an_address() {
        let token = |claims: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(who(&token(r#"{"preferred_username":"anna@x.org","email":"b@x.org"}"#)).unwrap(), "anna@x.org");
        assert_eq!(who(&token(r#"{"preferred_username":"anna","upn":"anna@x.org"}"#)).unwrap(), "anna@x.org");
        assert_eq!(who(&token(r#"{"sub":"1"}"#)), None);
        for odd in ["", "a", "a.b", "a.!.c", &token("[]"), &token(r#"{"email":7}"#)] {
            assert_eq!(who(odd), None);
        }
    }
}
