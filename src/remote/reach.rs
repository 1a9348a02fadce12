//! How a server is reached, and whom of those that answer in its name to trust.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use url::Url;

/// What a person says of the way to a server; nothing of it is needed where the system trusts the server's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Certificates (PEM) that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The only certificate that the server may have, whoever issued it.
    pub pin: Option<Pin>,
    /// A certificate of one's own with its key (PEM), for servers that ask for one.
    pub client_certificate: Option<PathBuf>,
    /// The proxy to go through; that of the environment, if none.
    pub proxy: Option<Proxy>,
}

/// The fingerprint of a certificate: SHA-256 of it as a whole, as `openssl x509 -fingerprint -sha256` prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// The fingerprint of a certificate (DER).
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "a pin is written sha256: and 64 hexadecimal digits, with or without colons between them".to_owned();
        let digits = text.trim().strip_prefix("sha256:").ok_or_else(wrong)?;
        let digits: Vec<u8> = digits
            .chars()
            .filter(|digit| *digit != ':')
            .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(wrong))
            .collect::<Result<_, _>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        let bytes = bytes.try_into().ok().filter(|_| rest.is_empty());
        bytes.map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A proxy's URL: `http`, `socks5`, or `socks5h`, where the proxy looks names up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy(String);

impl Proxy {
    /// Its URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a proxy is written like http://proxy.example.org:8080, or with socks5 or socks5h".to_owned();
        let url = Url::parse(text).map_err(|_| wrong())?;
        // Never told back: it may hold a password.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "a proxy's password does not belong here: put the proxy into the variable HTTPS_PROXY".to_owned()
            );
        }
        match url.scheme() {
            "http" | "socks5" | "socks5h" if url.host_str().is_some_and(|host| !host.is_empty()) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_it_is_printed() {
        let pin = Pin::of(b"certificate");
        assert_eq!(pin.to_string().parse(), Ok(pin));
        let digits = pin.to_string().split_off(7);
        let pairs: Vec<String> =
            digits.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase()).collect();
        assert_eq!(format!("sha256:{}", pairs.join(":")).parse(), Ok(pin));
        for wrong in
            ["", "sha256:", &digits, "sha1:00", &format!("sha256:{digits}0"), &format!("sha256:{}x", &digits[1..])]
        {
            assert!(wrong.parse::<Pin>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_proxy_holds_no_password() {
        for good in ["http://proxy:8080", "socks5://127.0.0.1:1080", "socks5h://[::1]:1080"] {
            assert_eq!(good.parse::<Proxy>().unwrap().as_str(), good);
        }
        for bad in ["", "proxy:8080", "https://proxy", "socks4://proxy", "http://", "file:///x"] {
            assert!(bad.parse::<Proxy>().is_err(), "{bad}");
        }
        let error = "http://a:hunter2@proxy:8080".parse::<Proxy>().unwrap_err();
        assert!(!error.contains("hunter2") && error.contains("HTTPS_PROXY"));
    }
}
