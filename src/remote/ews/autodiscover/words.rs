//! What is asked, and what the answers say: JSON, SOAP (MS-OXWSADISC) and POX (MS-OXDSCLI). Whatever an answer calls itself, what is in it counts.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;

use crate::remote::ews::xml::tree::{Diversion, Token};
use crate::remote::ews::xml::{Element, Source, Xml, XmlReader};

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// EWS is there.
    Url(String),
    /// To be asked there.
    Elsewhere(String),
    /// To be asked for another address.
    OtherAddress(String),
    /// There is nothing, and why.
    Nothing(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Json {
    url: Option<String>,
    error_code: Option<String>,
}

/// An answer of Autodiscover in JSON.
pub(super) fn json(body: &[u8]) -> Said {
    match serde_json::from_slice(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)) {
        Ok(Json { url: Some(url), .. }) => Said::Url(url),
        Ok(Json { error_code: Some(code), .. }) => Said::Nothing(format!("it says {}", shortened(&code))),
        Ok(_) | Err(_) => Said::Nothing("no answer of Autodiscover".to_owned()),
    }
}

/// `GetUserSettings`.
pub(super) fn soap_request(url: &str, address: &str) -> String {
    let mut xml = Xml::default();
    let namespaces = [
        ("xmlns:s", "http://schemas.xmlsoap.org/soap/envelope/"),
        ("xmlns:a", "http://schemas.microsoft.com/exchange/2010/Autodiscover"),
        ("xmlns:w", "http://www.w3.org/2005/08/addressing"),
    ];
    xml.element_with("s:Envelope", &namespaces, |xml| {
        xml.element("s:Header", |xml| {
            xml.leaf("a:RequestedServerVersion", "Exchange2013");
            xml.leaf(
                "w:Action",
                "http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings",
            );
            xml.leaf("w:To", url);
        });
        xml.element("s:Body", |xml| {
            xml.element("a:GetUserSettingsRequestMessage", |xml| {
                xml.element("a:Request", |xml| {
                    xml.element("a:Users", |xml| xml.element("a:User", |xml| xml.leaf("a:Mailbox", address)));
                    xml.element("a:RequestedSettings", |xml| {
                        xml.leaf("a:Setting", EXTERNAL);
                        xml.leaf("a:Setting", INTERNAL);
                    });
                });
            });
        });
    });
    format!("{PROLOGUE}{}", xml.take())
}

/// The request of POX.
pub(super) fn pox_request(address: &str) -> String {
    let mut xml = Xml::default();
    let namespace = [("xmlns", "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006")];
    xml.element_with("Autodiscover", &namespace, |xml| {
        xml.element("Request", |xml| {
            xml.leaf("EMailAddress", address);
            xml.leaf(
                "AcceptableResponseSchema",
                "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a",
            );
        });
    });
    format!("{PROLOGUE}{}", xml.take())
}

const PROLOGUE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";
const EXTERNAL: &str = "ExternalEwsUrl";
const INTERNAL: &str = "InternalEwsUrl";

/// An answer in XML, of either kind.
pub(super) async fn xml(body: Bytes) -> Said {
    let Some(root) = tree(body).await else { return Said::Nothing("no answer of Autodiscover".to_owned()) };
    match &*root.name {
        "Envelope" => soap(&root),
        "Autodiscover" => pox(&root),
        name if name.eq_ignore_ascii_case("html") => Said::Nothing("a web page".to_owned()),
        _ => Said::Nothing("no answer of Autodiscover".to_owned()),
    }
}

/// Nothing goes elsewhere.
struct Undiverted;

impl Diversion for Undiverted {
    fn diverts(&self, _: &[Element], _: &str) -> bool {
        false
    }
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn expect(&mut self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn end(&mut self, _: bool) {}
}

async fn tree(body: Bytes) -> Option<Element> {
    let mut xml = XmlReader::new(Source::new(stream::iter([Ok(body)]), None));
    loop {
        match xml.next().await.ok()? {
            // A web page need not be XML: its first element is enough.
            Token::Start(element) if element.name.eq_ignore_ascii_case("html") => return Some(element),
            Token::Start(element) => return xml.tree(element, &mut Undiverted).await.ok(),
            Token::Text(_) => {}
            Token::End | Token::Eof => return None,
        }
    }
}

fn soap(envelope: &Element) -> Said {
    let Some(response) = envelope.at(&["Body", "GetUserSettingsResponseMessage", "Response"]) else {
        return Said::Nothing("a fault, or no answer of Autodiscover".to_owned());
    };
    // The error is on one of three levels.
    if let Some(code) = response.value("ErrorCode").filter(|code| *code != "NoError") {
        return Said::Nothing(format!("it says {}", shortened(code)));
    }
    let Some(user) = response.children_of("UserResponses").next() else {
        return Said::Nothing("an answer about nobody".to_owned());
    };
    let target = || user.value("RedirectTarget").filter(|target| !target.is_empty()).map(str::to_owned);
    match (user.value("ErrorCode").unwrap_or("NoError"), target()) {
        ("NoError", _) => {}
        ("RedirectUrl", Some(url)) => return Said::Elsewhere(url),
        ("RedirectAddress", Some(address)) => return Said::OtherAddress(address),
        (code, _) => return Said::Nothing(format!("it says {}", shortened(code))),
    }
    let setting = |name: &str| {
        let mut settings = user.children_of("UserSettings");
        let setting = settings.find(|setting| setting.value("Name") == Some(name))?;
        setting.value("Value").filter(|value| !value.is_empty()).map(str::to_owned)
    };
    setting(EXTERNAL).or_else(|| setting(INTERNAL)).map_or_else(no_ews, Said::Url)
}

fn pox(root: &Element) -> Said {
    let Some(response) = root.child("Response") else {
        return Said::Nothing("an answer about nobody".to_owned());
    };
    if let Some(code) = response.at(&["Error", "ErrorCode"]) {
        return Said::Nothing(format!("it says error {}", shortened(code.text.trim())));
    }
    let Some(account) = response.child("Account") else { return no_ews() };
    let value = |name: &str| account.value(name).filter(|value| !value.is_empty()).map(str::to_owned);
    let action = account.value("Action").unwrap_or_default();
    if let Some(address) = value("RedirectAddr").filter(|_| action.eq_ignore_ascii_case("redirectAddr")) {
        return Said::OtherAddress(address);
    }
    if let Some(url) = value("RedirectUrl").filter(|_| action.eq_ignore_ascii_case("redirectUrl")) {
        return Said::Elsewhere(url);
    }
    let protocols = || account.children.iter().filter(|child| &*child.name == "Protocol");
    let of_type = |wanted: &str| {
        let mut found = protocols().filter(|protocol| protocol.value("Type") == Some(wanted));
        found.find_map(|protocol| protocol.value("EwsUrl").filter(|url| !url.is_empty()))
    };
    let url = of_type("EXPR").or_else(|| of_type("EXCH"));
    url.map_or_else(no_ews, |url| Said::Url(url.to_owned()))
}

fn no_ews() -> Said {
    Said::Nothing("an answer without EWS".to_owned())
}

/// Words of a server as they may be shown.
fn shortened(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Said {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(xml(Bytes::copy_from_slice(text.as_bytes())))
    }

    fn soap_answer(user: &str) -> String {
        format!(
            "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><GetUserSettingsResponseMessage>\
             <Response><ErrorCode>NoError</ErrorCode><UserResponses><UserResponse>{user}</UserResponse></UserResponses></Response>\
             </GetUserSettingsResponseMessage></s:Body></s:Envelope>"
        )
    }

    fn setting(name: &str, value: &str) -> String {
        format!("<UserSetting><Name>{name}</Name><Value>{value}</Value></UserSetting>")
    }

    fn pox_answer(account: &str) -> String {
        format!("<Autodiscover><Response><Account>{account}</Account></Response></Autodiscover>")
    }

    #[test]
    fn soap_answers_on_three_levels() {
        let both = setting("InternalEwsUrl", "https://in/") + &setting("ExternalEwsUrl", " https://out/ ");
        let settings = |settings: &str| soap_answer(&format!("<UserSettings>{settings}</UserSettings>"));
        assert_eq!(read(&settings(&both)), Said::Url("https://out/".to_owned()));
        assert_eq!(read(&settings(&setting("InternalEwsUrl", "https://in/"))), Said::Url("https://in/".to_owned()));
        assert_eq!(read(&settings("")), no_ews());
        let with = |code: &str| {
            read(&soap_answer(&format!("<ErrorCode>{code}</ErrorCode><RedirectTarget>x@y.z</RedirectTarget>")))
        };
        assert_eq!(with("RedirectAddress"), Said::OtherAddress("x@y.z".to_owned()));
        assert_eq!(with("RedirectUrl"), Said::Elsewhere("x@y.z".to_owned()));
        assert_eq!(with("InvalidUser"), Said::Nothing("it says InvalidUser".to_owned()));
        let outer = soap_answer("").replacen("NoError", "InvalidRequest", 1);
        assert_eq!(read(&outer), Said::Nothing("it says InvalidRequest".to_owned()));
    }

    #[test]
    fn pox_prefers_the_address_for_the_outside() {
        let protocol =
            |kind: &str, url: &str| format!("<Protocol><Type>{kind}</Type><EwsUrl>{url}</EwsUrl></Protocol>");
        let answer = pox_answer(&(protocol("EXCH", "https://in/") + &protocol("EXPR", "https://out/")));
        assert_eq!(read(&answer), Said::Url("https://out/".to_owned()));
        assert_eq!(read(&pox_answer(&protocol("EXCH", "https://in/"))), Said::Url("https://in/".to_owned()));
        assert_eq!(read(&pox_answer(&protocol("WEB", "https://web/"))), no_ews());
        let to = pox_answer("<Action>redirectAddr</Action><RedirectAddr>x@y.z</RedirectAddr>");
        assert_eq!(read(&to), Said::OtherAddress("x@y.z".to_owned()));
        let to = pox_answer("<Action>redirectUrl</Action><RedirectUrl>https://y.z/</RedirectUrl>");
        assert_eq!(read(&to), Said::Elsewhere("https://y.z/".to_owned()));
        let error = "<Autodiscover><Response><Error><ErrorCode>500</ErrorCode></Error></Response></Autodiscover>";
        assert_eq!(read(error), Said::Nothing("it says error 500".to_owned()));
    }

    #[test]
    fn login_pages_and_rubbish_are_no_answers() {
        let page = Said::Nothing("a web page".to_owned());
        assert_eq!(read("<html><body><br><p>Sign in & go</body></html>"), page);
        let none = Said::Nothing("no answer of Autodiscover".to_owned());
        for rubbish in ["", "{}", "<a", "\u{0}\u{1}", "<Autodiscover>", "<feed/>"] {
            assert_eq!(read(rubbish), none, "{rubbish:?}");
        }
        assert_eq!(json(b"<html>"), none);
        assert_eq!(json(b"{\"ErrorCode\":\"UserNotFound\"}"), Said::Nothing("it says UserNotFound".to_owned()));
        assert_eq!(
            json(b"\xEF\xBB\xBF{\"Protocol\":\"Ews\",\"Url\":\"https://x/\"}"),
            Said::Url("https://x/".to_owned())
        );
    }

    #[test]
    fn an_address_cannot_break_out_of_a_request() {
        assert!(pox_request("a&<b>@x").contains("<EMailAddress>a&amp;&lt;b&gt;@x</EMailAddress>"));
        assert!(soap_request("https://x/", "a<@x").contains("<a:Mailbox>a&lt;@x</a:Mailbox>"));
    }
}
