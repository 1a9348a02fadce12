//! The server's address as people give it, made the URL of its EWS end point.

use super::failure::UsageError;

/// Where EWS lies on an Exchange server.
const PATH: &str = "/EWS/Exchange.asmx";

/// Takes `mail.example.org`, `mail.example.org:8443`, `https://mail.example.org`, the address of Outlook on the web
/// (`https://mail.example.org/owa/`), or the whole URL of the end point.
pub(super) fn ews_url(text: &str) -> Result<String, UsageError> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "https" && scheme != "http" {
        return Err(invalid(text, "it must begin with https://"));
    }
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if host.is_empty() || host.contains(|c: char| c.is_whitespace()) {
        return Err(invalid(text, "it names no host"));
    }
    if host.contains('@') {
        return Err(invalid(text, "a user name or password has no place in it; give the name with --user"));
    }
    let path = match path.trim_end_matches('/').to_ascii_lowercase().as_str() {
        "" | "/owa" | "/ews" => PATH,
        _ => path,
    };
    let url = format!("{scheme}://{host}{path}");
    if reqwest::Url::parse(&url).is_err() {
        return Err(invalid(text, "it is no URL"));
    }
    if scheme == "http" && !is_loopback(host) {
        return Err(invalid(text, "over http:// the password could be read on its way; only https:// is allowed"));
    }
    Ok(url)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn invalid(text: &str, reason: &str) -> UsageError {
    UsageError(format!("{text:?} cannot be the server's address: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_give_what_they_know() {
        for (given, url) in [
            ("mail.example.org", "https://mail.example.org/EWS/Exchange.asmx"),
            (" mail.example.org:8443 ", "https://mail.example.org:8443/EWS/Exchange.asmx"),
            ("https://mail.example.org/", "https://mail.example.org/EWS/Exchange.asmx"),
            ("HTTPS://mail.example.org/owa/", "https://mail.example.org/EWS/Exchange.asmx"),
            ("https://mail.example.org/ews/Exchange.asmx", "https://mail.example.org/ews/Exchange.asmx"),
            ("https://mail.example.org/mail/EWS/Exchange.asmx", "https://mail.example.org/mail/EWS/Exchange.asmx"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/EWS/Exchange.asmx"),
            ("http://[::1]:8080", "http://[::1]:8080/EWS/Exchange.asmx"),
            ("http://localhost", "http://localhost/EWS/Exchange.asmx"),
        ] {
            assert_eq!(ews_url(given).unwrap(), url, "{given}");
        }
    }

    #[test]
    fn a_password_never_goes_over_an_open_wire() {
        for given in ["http://mail.example.org", "http://127.0.0.1.example.org", "http://localhost.example.org"] {
            assert!(ews_url(given).unwrap_err().0.contains("https://"), "{given}");
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for given in ["", "https://", "ftp://mail.example.org", "https://user:secret@mail.example.org", "mail example", "https:///EWS"] {
            assert!(ews_url(given).is_err(), "{given}");
        }
    }
}
