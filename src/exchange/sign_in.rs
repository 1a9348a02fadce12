//! Who is at the door: Basic, NTLMv2 (MS-NLMP §3.2), and NTLMv2 within SPNEGO, the latter two for a whole connection; and tokens (RFC 6750).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::header::{self, HeaderMap};
use md4::Md4;
use md5::{Digest as _, Md5};

use super::server::Shared;
use super::{User, Way};
use crate::remote::auth::Channel;
use crate::remote::auth::der::{Der, ENUMERATED, OCTETS, OID, SEQUENCE, context, element};

/// What one connection knows of who talks on it.
#[derive(Debug, Default)]
pub(super) struct Door {
    /// Who signed in for the whole connection.
    user: Option<String>,
    begun: Option<Begun>,
}

/// Whether somebody may come in.
pub(super) enum Entry {
    /// The mailbox's address.
    In(String),
    /// What `WWW-Authenticate` says instead.
    Out(Vec<String>),
}

/// The tokens that are good, with whose they are and until when.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<String, (String, SystemTime)>>);

impl Tokens {
    pub(super) fn grant(&self, token: &str, user: &str, until: SystemTime) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(token.to_owned(), (user.to_lowercase(), until));
    }

    pub(super) fn revoke(&self, token: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    }

    fn owner(&self, token: &str) -> Option<String> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (user, until) = tokens.get(token)?;
        (SystemTime::now() < *until).then(|| user.clone())
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// What Exchange says to who brings no token: which ones it takes.
const BEARER: &str = "Bearer client_id=\"00000002-0000-0ff1-ce00-000000000000\", trusted_issuers=\"00000001-0000-0000-c000-000000000000@*\", \
                      token_types=\"app_asserted_user_v1 service_asserted_app_v1\"";

/// A handshake after its second message.
#[derive(Debug)]
struct Begun {
    way: Way,
    hello: Vec<u8>,
    challenge: Vec<u8>,
    /// The list of mechanisms, where one was sent.
    mechanisms: Option<Vec<u8>>,
}

/// The challenge's nonce and the server's name in it.
const NONCE: [u8; 8] = *b"\x11\x22\x33\x44\x55\x66\x77\x88";
const NAME: &str = "DEMO";
const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// What a first message's flags become: theirs, without OEM and key exchange, with `NTLM`, `TARGET_TYPE_SERVER` and `TARGET_INFO`.
const REMOVED: u32 = 0x4000_0002;
const ADDED: u32 = 0x0082_0200;
/// 1.3.6.1.4.1.311.2.2.10.
const NTLM: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];

/// What is offered to who did not sign in.
pub(super) fn offers(shared: &Shared) -> Vec<String> {
    let offer = |way: &Way| match way {
        Way::Basic => "Basic realm=\"pimsync demo server\"".to_owned(),
        Way::Bearer => BEARER.to_owned(),
        way => name(*way).to_owned(),
    };
    shared.ways.iter().map(offer).collect()
}

fn name(way: Way) -> &'static str {
    match way {
        Way::Basic => "Basic",
        Way::Ntlm => "NTLM",
        Way::Negotiate => "Negotiate",
        Way::Bearer => "Bearer",
    }
}

impl Door {
    /// Looks at who comes with a request.
    pub(super) fn enter(&mut self, shared: &Shared, headers: &HeaderMap) -> Entry {
        let out = || Entry::Out(offers(shared));
        let Some(said) = headers.get(header::AUTHORIZATION) else {
            return self.user.clone().map_or_else(out, Entry::In);
        };
        self.user = None;
        let begun = self.begun.take();
        let Some((word, token)) = said.to_str().ok().and_then(|said| said.split_once(' ')) else { return out() };
        let way = shared.ways.iter().find(|way| name(**way).eq_ignore_ascii_case(word));
        if let Some(Way::Bearer) = way {
            // RFC 6750 §3.1.
            let refused = || Entry::Out(vec![format!("{BEARER}, error=\"invalid_token\"")]);
            return shared.tokens.owner(token.trim()).map_or_else(refused, Entry::In);
        }
        let (Some(way), Ok(token)) = (way, STANDARD.decode(token.trim())) else { return out() };
        let entered = match (way, begun) {
            (Way::Basic, _) => basic(shared, &token),
            (way, Some(begun)) if begun.way == *way => {
                self.user = begun.finish(shared, &token);
                self.user.clone()
            }
            (way, _) => match Begun::new(*way, &token) {
                Some((begun, answer)) => {
                    self.begun = Some(begun);
                    return Entry::Out(vec![format!("{} {}", name(*way), STANDARD.encode(answer))]);
                }
                None => None,
            },
        };
        entered.map_or_else(out, Entry::In)
    }
}

fn basic(shared: &Shared, token: &[u8]) -> Option<String> {
    let (user, password) = std::str::from_utf8(token).ok()?.split_once(':')?;
    let user = user.to_lowercase();
    shared.users.get(&user).filter(|known| known.password == password).map(|_| user)
}

impl Begun {
    /// Answers a first message.
    fn new(way: Way, token: &[u8]) -> Option<(Self, Vec<u8>)> {
        let (hello, mechanisms) = match way {
            Way::Negotiate => {
                let mut outer = Der(Der(token).expect(0x60)?);
                outer.expect(OID)?;
                let init = Der(Der(outer.expect(context(0))?).expect(SEQUENCE)?);
                (Der(init.find(context(2))?).expect(OCTETS)?, Some(init.find(context(0))?.to_vec()))
            }
            Way::Basic | Way::Ntlm | Way::Bearer => (token, None),
        };
        let challenge = challenge(hello)?;
        let answer = match mechanisms {
            None => challenge.clone(),
            Some(_) => {
                let state = element(context(0), &element(ENUMERATED, &[1]));
                let mechanism = element(context(1), &element(OID, NTLM));
                let inner = element(context(2), &element(OCTETS, &challenge));
                element(context(1), &element(SEQUENCE, &[state, mechanism, inner].concat()))
            }
        };
        Some((Self { way, hello: hello.to_vec(), challenge, mechanisms }, answer))
    }

    /// Who the third message proves to be there.
    fn finish(self, shared: &Shared, token: &[u8]) -> Option<String> {
        let Some(mechanisms) = &self.mechanisms else { return self.judge(shared, token).map(|(user, _)| user) };
        let response = Der(Der(Der(token).expect(context(1))?).expect(SEQUENCE)?);
        let message = Der(response.find(context(2))?).expect(OCTETS)?;
        let signature = Der(response.find(context(3))?).expect(OCTETS)?;
        let (user, session) = self.judge(shared, message)?;
        (signature == sign(&session, mechanisms)).then_some(user)
    }

    /// Checks proof, channel and MIC; the user and the session key.
    fn judge(&self, shared: &Shared, message: &[u8]) -> Option<(String, [u8; 16])> {
        if message.get(..8)? != SIGNATURE || message.get(8..12)? != [3, 0, 0, 0] {
            return None;
        }
        let text = |at: usize| field(message, at).and_then(from_utf16);
        let (domain, name) = (text(28)?, text(36)?);
        let user = shared.users.values().find(|user| is_called(user, &domain, &name))?;
        let hash: [u8; 16] = Md4::digest(utf16(&user.password)).into();
        let key = mac(&hash, &[&utf16(&name.to_uppercase()), &utf16(&domain)]);
        let (proof, blob) = field(message, 20)?.split_at_checked(16)?;
        if mac(&key, &[&NONCE, blob]) != proof {
            return None;
        }
        let session = mac(&key, &[proof]);
        if let Some(certificate) = &shared.certificate {
            let bound: [u8; 16] = Md5::digest(Channel::tls("", certificate).gss_bindings()?).into();
            (pair(blob.get(28..)?, 10)? == bound).then_some(())?;
        }
        // The challenge told a time, so a MIC is due.
        let mut without = message.to_vec();
        without.get_mut(72..88)?.fill(0);
        let mic = mac(&session, &[&self.hello, &self.challenge, &without]);
        (message.get(72..88)? == mic).then(|| (user.address.to_lowercase(), session))
    }
}

/// Whether a user is meant: by the address, or by the domain's first label and the name.
fn is_called(user: &User, domain: &str, name: &str) -> bool {
    let Some((local, host)) = user.address.split_once('@') else { return false };
    let label = host.split('.').next().unwrap_or_default();
    (domain.is_empty() && name.eq_ignore_ascii_case(&user.address))
        || (domain.eq_ignore_ascii_case(label) && name.eq_ignore_ascii_case(local))
}

fn challenge(hello: &[u8]) -> Option<Vec<u8>> {
    if hello.get(..8)? != SIGNATURE || hello.get(8..12)? != [1, 0, 0, 0] {
        return None;
    }
    let flags = u32::from_le_bytes(*hello.get(12..)?.first_chunk()?) & !REMOVED | ADDED;
    let name = utf16(NAME);
    let pairs: [(u16, &[u8]); 4] = [(2, &name), (1, &name), (7, &[0, 0, 0, 0, 0, 0x80, 0xda, 0x01]), (0, &[])];
    let mut target = Vec::new();
    for (kind, value) in pairs {
        target.extend_from_slice(&kind.to_le_bytes());
        target.extend_from_slice(&u16::try_from(value.len()).ok()?.to_le_bytes());
        target.extend_from_slice(value);
    }
    let field = |length: usize, at: usize| -> Option<[u8; 8]> {
        let length = u16::try_from(length).ok()?.to_le_bytes();
        let [a, b, c, d] = u32::try_from(at).ok()?.to_le_bytes();
        Some([length[0], length[1], length[0], length[1], a, b, c, d])
    };
    let mut message = SIGNATURE.to_vec();
    message.extend_from_slice(&2_u32.to_le_bytes());
    message.extend_from_slice(&field(name.len(), 48)?);
    message.extend_from_slice(&flags.to_le_bytes());
    message.extend_from_slice(&NONCE);
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&field(target.len(), 48 + name.len())?);
    message.extend_from_slice(&name);
    message.extend_from_slice(&target);
    Some(message)
}

/// The client's signature of a first message (MS-NLMP §3.4.4.2).
fn sign(session: &[u8; 16], text: &[u8]) -> Vec<u8> {
    let magic = b"session key to client-to-server signing key magic constant\0";
    let key: [u8; 16] = Md5::new().chain_update(session).chain_update(magic).finalize().into();
    let checksum = mac(&key, &[&[0; 4], text]);
    [&[1, 0, 0, 0][..], checksum.get(..8).unwrap_or_default(), &[0; 4]].concat()
}

fn mac(key: &[u8; 16], parts: &[&[u8]]) -> [u8; 16] {
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = Hmac::<Md5>::new(&block.into());
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// What a client told of a kind.
fn pair(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let (&[a, b, c, d], rest) = bytes.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(u16::from_le_bytes([c, d]).into())?;
        if u16::from_le_bytes([a, b]) == kind {
            return Some(value);
        }
        bytes = rest;
    }
}

fn field(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let length = usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let from = usize::try_from(u32::from_le_bytes(*bytes.get(at + 4..)?.first_chunk()?)).ok()?;
    bytes.get(from..from.checked_add(length)?)
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn from_utf16(bytes: &[u8]) -> Option<String> {
    let (units, rest) = bytes.as_chunks();
    rest.is_empty().then_some(())?;
    String::from_utf16(&units.iter().map(|unit| u16::from_le_bytes(*unit)).collect::<Vec<_>>()).ok()
}
