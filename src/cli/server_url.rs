//! The server's address as people give it, made the URL of its EWS end point.

use super::failure::UsageError;
use crate::identity::Server;

/// Where EWS lies on an Exchange server.
const PATH: &str = "/EWS/Exchange.asmx";

/// Takes `mail.example.org`, `mail.example.org:8443`, `https://mail.example.org`, the address of Outlook on the web
/// (`https://mail.example.org/owa/`), the whole URL of the end point, or `demo:`.
pub(super) fn server(text: &str) -> Result<Server, UsageError> {
    let text = text.trim();
    // The parser would take the path's beginning for the host.
    if text.is_empty() || text.ends_with("://") {
        return Err(UsageError("--server names no host".to_owned()));
    }
    Server::parse(&completed(text)).map_err(|reason| UsageError(format!("--server: {reason}")))
}

/// The URL with what people leave out.
fn completed(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None if text == Server::Demo.as_str() => return text.to_owned(),
        None => ("https", text),
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = match path.trim_end_matches('/').to_ascii_lowercase().as_str() {
        "" | "/owa" | "/ews" => PATH,
        _ => path,
    };
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_give_what_they_know() {
        for (given, url) in [
            ("demo:", "demo:"),
            ("mail.example.org", "https://mail.example.org/EWS/Exchange.asmx"),
            (" mail.example.org:8443 ", "https://mail.example.org:8443/EWS/Exchange.asmx"),
            ("https://mail.example.org/", "https://mail.example.org/EWS/Exchange.asmx"),
            ("https://mail.example.org/owa/", "https://mail.example.org/EWS/Exchange.asmx"),
            ("https://mail.example.org/ews/Exchange.asmx", "https://mail.example.org/ews/Exchange.asmx"),
            ("https://mail.example.org/mail/EWS/Exchange.asmx", "https://mail.example.org/mail/EWS/Exchange.asmx"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/EWS/Exchange.asmx"),
            ("http://[::1]:8080", "http://[::1]:8080/EWS/Exchange.asmx"),
            ("http://localhost", "http://localhost/EWS/Exchange.asmx"),
        ] {
            assert_eq!(server(given).unwrap().as_str(), url, "{given}");
        }
    }

    #[test]
    fn a_password_never_goes_over_an_open_wire() {
        for given in ["http://mail.example.org", "http://127.0.0.1.example.org", "http://localhost.example.org"] {
            assert!(server(given).unwrap_err().0.contains("https"), "{given}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_without_a_password_in_it() {
        for given in ["", "https://", "ftp://mail.example.org", "https://user:secret@mail.example.org", "mail example"]
        {
            let error = server(given).unwrap_err().0;
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
