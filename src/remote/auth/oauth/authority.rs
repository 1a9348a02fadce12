//! Who issues tokens, and where to ask for what.

use serde::Deserialize;
use url::Url;

use super::TokenError;
use super::ask::Answer;

/// Who issues tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A tenant of Microsoft's, by its domain or its number; or `organizations`, where the tenant follows from who signs in.
    Tenant(String),
    /// Another, by its URL, at which its OpenID Connect metadata lie.
    Issuer(Url),
}

/// Where to ask for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) token: Url,
    pub(super) authorization: Option<Url>,
    pub(super) device: Option<Url>,
    /// Who answers in the browser, where the authority tells that (RFC 9207).
    pub(super) issuer: Option<String>,
    pub(super) secret_goes: SecretGoes,
}

/// Where a program's own secret goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretGoes {
    /// In the body (`client_secret_post`).
    Body,
    /// In the header (`client_secret_basic`), as when nothing is said.
    Header,
}

/// As much of OpenID Connect Discovery §3 and RFC 8414 §2 as is needed.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    token_endpoint: String,
    authorization_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Authority {
    /// The tenant that follows from who signs in.
    pub const ANY_TENANT: &str = "organizations";

    /// Checks a tenant's name: letters, digits, points and hyphens.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn tenant(name: &str) -> Result<Self, String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(is_plain) {
            return Err("a tenant is a domain such as contoso.onmicrosoft.com, or its number".to_owned());
        }
        Ok(Self::Tenant(name.to_owned()))
    }

    /// Checks an authority's URL.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn issuer(text: &str) -> Result<Self, String> {
        let example = "an authority is written like https://login.example.org/realm";
        let url = Url::parse(text).map_err(|_| example.to_owned())?;
        let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if url.scheme() != "https" || url.host_str().is_none() || !is_bare || url.fragment().is_some() {
            return Err(format!("{example}, with https: tokens go nowhere else"));
        }
        Ok(Self::Issuer(url))
    }

    /// As it is written in settings.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tenant(name) => name,
            Self::Issuer(url) => url.as_str(),
        }
    }

    /// Where it says where to ask for what; none where that is known.
    pub(super) fn metadata_url(&self) -> Option<Url> {
        match self {
            Self::Tenant(_) => None,
            Self::Issuer(url) => {
                let base = url.as_str().trim_end_matches('/');
                Url::parse(&format!("{base}/.well-known/openid-configuration")).ok()
            }
        }
    }

    /// What is known without asking: Microsoft's (Microsoft identity platform, v2.0).
    pub(super) fn own_endpoints(&self) -> Result<Endpoints, TokenError> {
        let url = |end: &str| {
            let url = Url::parse(&format!("https://login.microsoftonline.com/{}/oauth2/v2.0/{end}", self.as_str()));
            url.map_err(|error| TokenError::Settings(format!("{} is no tenant: {error}", self.as_str())))
        };
        Ok(Endpoints {
            token: url("token")?,
            authorization: Some(url("authorize")?),
            device: Some(url("devicecode")?),
            issuer: None,
            secret_goes: SecretGoes::Body,
        })
    }

    pub(super) fn read_metadata(&self, answer: &Answer<'_>) -> Result<Endpoints, TokenError> {
        let metadata: Metadata = serde_json::from_slice(&answer.body)
            .map_err(|error| answer.odd(format!("its OpenID metadata cannot be read: {error}")))?;
        if !self.is(&metadata.issuer) {
            return Err(answer.odd(format!("its metadata are of {:?}, not of {}", metadata.issuer, self.as_str())));
        }
        let https = |text: String| match Url::parse(&text) {
            Ok(url) if url.scheme() == "https" => Ok(url),
            _ => Err(answer.odd(format!("{text:?} in its metadata is not https"))),
        };
        let methods = metadata.token_endpoint_auth_methods_supported.unwrap_or_default();
        let is_posted = methods.iter().any(|method| method == "client_secret_post");
        Ok(Endpoints {
            token: https(metadata.token_endpoint)?,
            authorization: metadata.authorization_endpoint.map(https).transpose()?,
            device: metadata.device_authorization_endpoint.map(https).transpose()?,
            issuer: metadata.authorization_response_iss_parameter_supported.then_some(metadata.issuer),
            secret_goes: if is_posted { SecretGoes::Body } else { SecretGoes::Header },
        })
    }

    /// Whether metadata are this authority's (OpenID Connect Discovery §4.3). Those of Microsoft's that are for all tenants name none.
    fn is(&self, issuer: &str) -> bool {
        let own = self.as_str().trim_end_matches('/');
        let issuer = issuer.trim_end_matches('/');
        let is_for_all = || {
            let (before, after) = issuer.split_once("{tenantid}")?;
            let tenant = own.strip_prefix(before)?.strip_suffix(after)?;
            Some(!tenant.is_empty() && !tenant.contains('/'))
        };
        own == issuer || is_for_all().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use zeroize::Zeroizing;

    use super::*;

    fn read(authority: &str, metadata: &str) -> Result<Endpoints, TokenError> {
        let body = Zeroizing::new(metadata.as_bytes().to_vec());
        let answer = Answer { host: "h".to_owned(), status: StatusCode::OK, body, secrets: Vec::new() };
        Authority::issuer(authority).unwrap().read_metadata(&answer)
    }

    #[test]
    fn an_authority_is_https_and_nothing_else() {
        for good in ["https://login.example.org", "https://login.example.org/realm/", "https://[::1]:8080/x"] {
            assert!(Authority::issuer(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "login.example.org",
            "http://login.example.org",
            "http://127.0.0.1/",
            "https://a:b@x.org/",
            "https://x.org/?a",
            "https://x.org/#a",
        ] {
            assert!(Authority::issuer(bad).is_err(), "{bad}");
        }
        for bad in ["", "a/b", "..", "a b", "ä"] {
            assert!(Authority::tenant(bad).is_err(), "{bad}");
        }
        let own = Authority::tenant("contoso.onmicrosoft.com").unwrap().own_endpoints().unwrap();
        assert_eq!(own.token.as_str(), "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token");
    }

    #[test]
    fn metadata_of_somebody_else_or_without_tls_are_refused() {
        let of = |issuer: &str, token: &str| format!(r#"{{"issuer":"{issuer}","token_endpoint":"{token}"}}"#);
        let found = read("https://x.org/r/", &of("https://x.org/r", "https://x.org/t")).unwrap();
        assert_eq!((found.device, found.secret_goes), (None, SecretGoes::Header));
        for (authority, metadata) in [
            ("https://x.org/r", of("https://y.org/r", "https://x.org/t")),
            ("https://x.org/r", of("https://x.org/r", "http://x.org/t")),
            ("https://x.org/a/b/v2.0", of("https://x.org/{tenantid}/v2.0", "https://x.org/t")),
            ("https://x.org/r", "<html>".to_owned()),
        ] {
            assert!(matches!(read(authority, &metadata), Err(TokenError::Protocol { .. })), "{metadata}");
        }
        let all = of("https://login.microsoftonline.us/{tenantid}/v2.0", "https://login.microsoftonline.us/t");
        assert!(read("https://login.microsoftonline.us/organizations/v2.0", &all).is_ok());
    }
}
