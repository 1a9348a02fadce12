//! Autodiscover: where the mailbox's EWS is. JSON for everybody, SOAP and POX for who signs in. gromox has no SOAP.

use hyper::StatusCode;

use super::server::Shared;
use super::xml::{self, Element, XmlOut};
use super::{Personality, User};

/// A way to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Json,
    Soap,
    Pox,
}

impl Way {
    /// The way that a path, in lower case, stands for.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/autodiscover/autodiscover.json" => Some(Self::Json),
            "/autodiscover/autodiscover.svc" => Some(Self::Soap),
            "/autodiscover/autodiscover.xml" => Some(Self::Pox),
            _ => None,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Soap | Self::Pox => "text/xml; charset=utf-8",
        }
    }
}

/// The answer to a GET of JSON.
pub(super) fn json(shared: &Shared, query: &str) -> (StatusCode, String) {
    let value = |wanted: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    };
    let error = |status, code: &str, message: &str| {
        (status, serde_json::json!({ "ErrorCode": code, "ErrorMessage": message }).to_string())
    };
    if !value("Protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("ews")) {
        return error(StatusCode::BAD_REQUEST, "InvalidProtocol", "The given protocol value is invalid.");
    }
    match value("Email").and_then(|address| known(shared, &address)) {
        Some(_) => (StatusCode::OK, serde_json::json!({ "Protocol": "Ews", "Url": shared.public_url() }).to_string()),
        None => error(StatusCode::NOT_FOUND, "UserNotFound", "The user was not found."),
    }
}

/// The answer to a POST in XML, of somebody who signed in.
pub(super) fn xml(shared: &Shared, way: Way, body: &[u8]) -> (StatusCode, String) {
    let request = std::str::from_utf8(body).ok().and_then(|text| xml::parse(text).ok());
    match (way, request) {
        (Way::Soap, _) if shared.like == Personality::Gromox => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        (Way::Soap, Some(request)) => (StatusCode::OK, soap(shared, &request)),
        (Way::Pox, Some(request)) => (StatusCode::OK, pox(shared, &request)),
        (_, None) | (Way::Json, _) => (StatusCode::BAD_REQUEST, String::new()),
    }
}

fn known<'s>(shared: &'s Shared, address: &str) -> Option<&'s User> {
    shared.users.get(&address.trim().to_lowercase())
}

fn at<'e>(element: &'e Element, path: &[&str]) -> Option<&'e Element> {
    path.iter().try_fold(element, |element, name| element.child(name))
}

fn soap(shared: &Shared, envelope: &Element) -> String {
    let request = at(envelope, &["Body", "GetUserSettingsRequestMessage", "Request"]);
    let mailbox = request.and_then(|request| at(request, &["Users", "User", "Mailbox"]));
    let wanted = request.and_then(|request| request.child("RequestedSettings"));
    let wants =
        |name: &str| wanted.is_some_and(|settings| settings.children.iter().any(|setting| setting.text.trim() == name));
    let found = mailbox.and_then(|mailbox| known(shared, &mailbox.text));
    let mut out = XmlOut::new();
    out.buffer.push_str(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
         <GetUserSettingsResponseMessage xmlns=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\"><Response>\
         <ErrorCode>NoError</ErrorCode><ErrorMessage/><UserResponses><UserResponse>",
    );
    out.put("ErrorCode", if found.is_some() { "NoError" } else { "InvalidUser" });
    out.buffer.push_str("<UserSettings>");
    for name in ["ExternalEwsUrl", "InternalEwsUrl"] {
        if found.is_some() && wants(name) {
            out.buffer.push_str("<UserSetting>");
            out.put("Name", name);
            out.put("Value", &shared.public_url());
            out.buffer.push_str("</UserSetting>");
        }
    }
    out.buffer.push_str(
        "</UserSettings></UserResponse></UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>",
    );
    out.buffer
}

fn pox(shared: &Shared, root: &Element) -> String {
    let address = at(root, &["Request", "EMailAddress"]);
    let mut out = XmlOut::new();
    out.buffer.push_str(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">",
    );
    match address.and_then(|address| known(shared, &address.text)) {
        Some(user) => {
            out.buffer.push_str(
                "<Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\"><User>",
            );
            out.put("AutoDiscoverSMTPAddress", &user.address);
            out.buffer.push_str("</User><Account><AccountType>email</AccountType><Action>settings</Action>");
            for kind in ["EXCH", "EXPR"] {
                out.buffer.push_str("<Protocol>");
                out.put("Type", kind);
                out.put("EwsUrl", &shared.public_url());
                out.buffer.push_str("</Protocol>");
            }
            out.buffer.push_str("</Account></Response>");
        }
        None => out.buffer.push_str(
            "<Response><Error Time=\"00:00:00.0000000\" Id=\"1\"><ErrorCode>500</ErrorCode>\
             <Message>The email address can't be found.</Message><DebugData/></Error></Response>",
        ),
    }
    out.buffer.push_str("</Autodiscover>");
    out.buffer
}
