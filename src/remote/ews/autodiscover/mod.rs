//! Autodiscover: from a mail address to the URL of EWS (MS-OXDISCO, MS-OXWSADISC, MS-OXDSCLI).
//!
//! ```text
//! side by side, without a password:  JSON ─ SOAP and POX are knocked at ─ the redirect over plain HTTP ─ DNS (SRV)
//! then, one by one, in this order:   SOAP and POX of DOMAIN, of autodiscover.DOMAIN, of where the redirect and DNS point to
//! ```
//!
//! The rules of who may see the password: only a server with a certificate that is trusted, that asks for a sign-in, and that is the address's own
//! domain or in it; any other host only where a person said yes. A host that refused it is not asked again.

mod dns;
mod probe;
mod words;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{join, join_all};
use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use crate::clock::Clock;
use crate::remote::RemoteError;
use crate::remote::auth::{Challenges, Offered, Scheme, SignIn};
use crate::remote::reach::Reach;
use words::Said;

/// How many redirects are followed in all, each to where nobody was asked yet.
const MOST_REDIRECTS: usize = 10;
/// How long a connection may take to be made, and an answer to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who looks for a server, and how it may be done.
pub struct Search {
    /// The mail address.
    pub address: String,
    /// Who signs in.
    pub user: String,
    /// The password; none where tokens are used, which are good for one server only: then nobody is signed in to.
    pub password: Option<SecretString>,
    /// How to sign in; `None` takes what a server offers.
    pub auth: Option<Scheme>,
    /// How servers are reached, and whom to trust. A pin holds for all of them.
    pub reach: Reach,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
}

/// Decides whether the password may go to a host that is not of the address's own domain.
pub trait Consent: Send {
    /// Whether it may. `host` was named by `by`.
    fn may_go_to(&mut self, host: &str, by: &str) -> Verdict;
}

/// A person's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password may go there.
    Yes,
    /// It may not.
    No,
}

/// One place that was looked at, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// The way to ask.
    pub way: Way,
    /// Where.
    pub place: String,
    /// What came of it.
    pub outcome: String,
}

/// A way to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Without a sign-in.
    Json,
    /// `GetUserSettings`.
    Soap,
    /// The older way in XML.
    Pox,
    /// Plain HTTP, which may only point elsewhere.
    Redirect,
    /// DNS, which may only name a host.
    Srv,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Json => "JSON",
            Self::Soap => "SOAP",
            Self::Pox => "POX",
            Self::Redirect => "redirect",
            Self::Srv => "SRV",
        })
    }
}

/// Why no server was found.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// Nobody knows one.
    #[error("no Exchange server was found for {address}{}", untrusted.as_ref().map(|host| format!("; the certificate of {host} is not trusted")).unwrap_or_default())]
    NotFound {
        /// The address.
        address: String,
        /// A host whose certificate is not trusted.
        untrusted: Option<String>,
    },
    /// One was named, but the password may not go there without a yes.
    #[error("the server of {address} is said to be at {host}, which is not in the address's own domain")]
    NotAllowed {
        /// The address.
        address: String,
        /// The host.
        host: String,
    },
    /// A server that knows refused the sign-in.
    #[error(transparent)]
    Refused(RemoteError),
    /// It is no mail address, or the certificates cannot be used.
    #[error("{0}")]
    Unusable(String),
}

/// What a place says to who does not sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Knock {
    /// To sign in, by one of these.
    Door(Challenges),
    /// To go there.
    Elsewhere(String),
    /// An answer without a sign-in.
    Said(Said),
    /// The certificate is not trusted.
    Untrusted(String),
}

/// What a place says to who signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reply {
    Said(Said),
    Elsewhere(String),
    /// It does not take the sign-in.
    Refused(Scheme),
}

/// The network, as far as it is needed here.
#[async_trait]
trait Wire: Sync {
    /// GET of JSON, without a sign-in.
    async fn json(&self, url: &Url) -> Said;
    /// POST without a sign-in.
    async fn knock(&self, url: &Url, body: String) -> Knock;
    /// POST with one.
    async fn post(&self, url: &Url, body: String, sign_in: &dyn SignIn) -> Reply;
    /// Where a GET over plain HTTP is sent to.
    async fn plain_redirect(&self, url: &Url) -> Result<String, String>;
    /// The hosts that a SRV record names, the best first, with their ports.
    async fn srv(&self, name: &str) -> Result<Vec<(String, u16)>, String>;
}

impl Search {
    /// Looks for the server. All that was tried is in `attempts`, in the order in which it was thought about.
    ///
    /// # Errors
    /// [`DiscoveryError`].
    pub async fn run(&self, consent: &mut dyn Consent, attempts: &mut Vec<Attempt>) -> Result<Url, DiscoveryError> {
        let wire = probe::Network::new(self)?;
        self.run_over(&wire, consent, attempts).await
    }

    async fn run_over(
        &self,
        wire: &dyn Wire,
        consent: &mut dyn Consent,
        attempts: &mut Vec<Attempt>,
    ) -> Result<Url, DiscoveryError> {
        let domain = domain_of(&self.address)?;
        let mut hunt = Hunt {
            search: self,
            wire,
            consent,
            attempts,
            domain: domain.clone(),
            allowed: HashSet::new(),
            tried: HashSet::new(),
            refused_by: HashSet::new(),
            redirects: 0,
            refusal: None,
            forbidden: Vec::new(),
            untrusted: None,
        };
        match hunt.hunt(&domain).await {
            Some(url) => Ok(url),
            None => Err(hunt.failure()),
        }
    }
}

fn domain_of(address: &str) -> Result<String, DiscoveryError> {
    let unusable = || DiscoveryError::Unusable(format!("{address:?} is no mail address"));
    let (_, domain) = address.rsplit_once('@').ok_or_else(unusable)?;
    let url = Url::parse(&format!("https://{domain}/")).map_err(|_| unusable())?;
    // In the form that it has in URLs, and nothing but a name.
    match (url.domain(), url.port(), url.path()) {
        (Some(name), None, "/") if domain.contains('.') && url.username().is_empty() => Ok(name.to_owned()),
        _ => Err(unusable()),
    }
}

/// A place to be asked about an address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    way: Way,
    url: Url,
    address: String,
    /// Who named it, where it is not the address's own.
    by: String,
}

impl Candidate {
    fn new(way: Way, url: &str, address: &str, by: &str) -> Option<Self> {
        Some(Self { way, url: Url::parse(url).ok()?, address: address.to_owned(), by: by.to_owned() })
    }

    fn body(&self) -> String {
        match self.way {
            Way::Soap => words::soap_request(self.url.as_str(), &self.address),
            _ => words::pox_request(&self.address),
        }
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

/// SOAP and POX of a host.
fn both(host: &str, address: &str, by: &str) -> Vec<Candidate> {
    let ways = [(Way::Soap, "svc"), (Way::Pox, "xml")];
    let candidate = |(way, end): (Way, &str)| {
        Candidate::new(way, &format!("https://{host}/autodiscover/autodiscover.{end}"), address, by)
    };
    ways.into_iter().filter_map(candidate).collect()
}

/// A search under way.
struct Hunt<'h> {
    search: &'h Search,
    wire: &'h dyn Wire,
    consent: &'h mut dyn Consent,
    attempts: &'h mut Vec<Attempt>,
    /// Of the address that was asked for: hosts in it need no consent.
    domain: String,
    allowed: HashSet<String>,
    tried: HashSet<(Way, Url, String)>,
    refused_by: HashSet<String>,
    redirects: usize,
    refusal: Option<RemoteError>,
    /// The first is told of.
    forbidden: Vec<String>,
    untrusted: Option<String>,
}

impl Hunt<'_> {
    async fn hunt(&mut self, domain: &str) -> Option<Url> {
        let hosts = [domain.to_owned(), format!("autodiscover.{domain}")];
        let address = self.search.address.clone();
        let plain = Url::parse(&format!("http://{}/autodiscover/autodiscover.xml", hosts[1])).ok()?;
        let name = format!("_autodiscover._tcp.{domain}");
        let json: Vec<Url> = hosts.iter().filter_map(|host| json_url(host, &address)).collect();
        let own: Vec<Candidate> = hosts.iter().flat_map(|host| both(host, &address, "")).collect();
        let wire = self.wire;
        let knocks = join_all(own.iter().map(|candidate| wire.knock(&candidate.url, candidate.body())));
        let elsewhere = join(wire.plain_redirect(&plain), wire.srv(&name));
        let (said, (knocks, (redirect, srv))) =
            join(join_all(json.iter().map(|url| wire.json(url))), join(knocks, elsewhere)).await;
        for (url, said) in json.iter().zip(said) {
            if let Some(found) = self.weigh(Way::Json, url, said) {
                return Some(found);
            }
        }
        let mut queue: VecDeque<(Candidate, Option<Knock>)> =
            own.into_iter().zip(knocks.into_iter().map(Some)).collect();
        if let Some(found) = self.work_off(&mut queue).await {
            return Some(found);
        }
        queue.extend(self.redirected(&plain, redirect, &address).map(|candidate| (candidate, None)));
        queue.extend(self.named(&name, srv, &address).into_iter().map(|candidate| (candidate, None)));
        self.work_off(&mut queue).await
    }

    /// What the redirect over plain HTTP points to.
    fn redirected(&mut self, plain: &Url, to: Result<String, String>, address: &str) -> Option<Candidate> {
        let outcome = match to {
            Ok(to) => match Url::parse(&to) {
                Ok(url) if url.scheme() == "https" => {
                    self.note(Way::Redirect, plain, format!("points to {url}"));
                    return Candidate::new(Way::Pox, url.as_str(), address, "a redirect over plain HTTP");
                }
                _ => "points to what is not https".to_owned(),
            },
            Err(reason) => reason,
        };
        self.note(Way::Redirect, plain, outcome);
        None
    }

    /// The hosts that DNS names.
    fn named(&mut self, name: &str, found: Result<Vec<(String, u16)>, String>, address: &str) -> Vec<Candidate> {
        let mut note = |outcome: String| {
            self.attempts.push(Attempt { way: Way::Srv, place: name.to_owned(), outcome });
        };
        let hosts = match found {
            Ok(hosts) => hosts,
            Err(reason) => {
                note(reason);
                return Vec::new();
            }
        };
        let mut candidates = Vec::new();
        for (host, port) in hosts.into_iter().take(MOST_REDIRECTS) {
            if port == 443 {
                note(format!("names {host}"));
                candidates.extend(both(&host, address, "DNS"));
            } else {
                note(format!("names port {port} of {host}, and only 443 will do"));
            }
        }
        candidates
    }

    /// Asks one candidate after the other, and where these send to.
    async fn work_off(&mut self, queue: &mut VecDeque<(Candidate, Option<Knock>)>) -> Option<Url> {
        while let Some((candidate, knock)) = queue.pop_front() {
            if !self.tried.insert((candidate.way, candidate.url.clone(), candidate.address.clone())) {
                continue;
            }
            let knock = match knock {
                Some(knock) => knock,
                None => self.wire.knock(&candidate.url, candidate.body()).await,
            };
            let said = match knock {
                Knock::Said(said) => said,
                Knock::Elsewhere(to) => Said::Elsewhere(to),
                Knock::Untrusted(reason) => {
                    self.untrusted.get_or_insert_with(|| candidate.host().to_owned());
                    Said::Nothing(reason)
                }
                Knock::Door(offered) => match self.sign_in(&candidate, &offered).await {
                    Ok(said) => said,
                    Err(reason) => Said::Nothing(reason),
                },
            };
            let next = match said {
                Said::Elsewhere(to) => self.follow(&candidate, &to).into_iter().collect(),
                Said::OtherAddress(address) => self.ask_for(&candidate, &address),
                said => match self.weigh(candidate.way, &candidate.url, said) {
                    Some(found) => return Some(found),
                    None => Vec::new(),
                },
            };
            for candidate in next.into_iter().rev() {
                queue.push_front((candidate, None));
            }
        }
        None
    }

    /// Signs in to a candidate, where that may be.
    async fn sign_in(&mut self, candidate: &Candidate, offered: &Challenges) -> Result<Said, String> {
        let host = candidate.host().to_owned();
        if self.refused_by.contains(&host) {
            return Err("not asked: the same host refused the sign-in".to_owned());
        }
        if !self.may_go_to(&host, &candidate.by) {
            return Err("asks for a sign-in, but the password may not go to that host".to_owned());
        }
        let Some(password) = self.search.password.clone() else {
            return Err("asks for a sign-in, and there is no password".to_owned());
        };
        let user = self.search.user.clone();
        let sign_in: Box<dyn SignIn> = match self.search.auth {
            Some(scheme) if offered.said_to(scheme).is_none() => {
                return Err(format!("offers {}, not {scheme}", offered.names().join(", ")));
            }
            Some(scheme) => scheme.sign_in(user, password),
            None => {
                let sign_in = Offered::new(user, password);
                sign_in.choose(offered).map_err(|unknown| format!("offers only {}", unknown.offered.join(", ")))?;
                Box::new(sign_in)
            }
        };
        match self.wire.post(&candidate.url, candidate.body(), &*sign_in).await {
            Reply::Said(said) => Ok(said),
            Reply::Elsewhere(to) => Ok(Said::Elsewhere(to)),
            Reply::Refused(scheme) => {
                let user = self.search.user.clone();
                self.refusal.get_or_insert(RemoteError::SignInRefused {
                    host: host.clone(),
                    user,
                    scheme,
                    ahead: None,
                });
                self.refused_by.insert(host);
                Err(format!("refused the sign-in by {scheme}"))
            }
        }
    }

    /// Where a candidate sends to.
    fn follow(&mut self, from: &Candidate, to: &str) -> Option<Candidate> {
        let url = from.url.join(to).ok().filter(|url| url.scheme() == "https");
        let outcome = match &url {
            Some(_) if self.redirects == MOST_REDIRECTS => "sends elsewhere, once too often".to_owned(),
            Some(url) => format!("sends to {url}"),
            None => "sends to what is not https".to_owned(),
        };
        self.note(from.way, &from.url, outcome);
        let url = url.filter(|_| self.redirects < MOST_REDIRECTS)?;
        self.redirects += 1;
        // By what it is called, since one way can send to the other.
        let way = if url.path().to_ascii_lowercase().ends_with(".svc") { Way::Soap } else { Way::Pox };
        Some(Candidate { way, url, address: from.address.clone(), by: from.host().to_owned() })
    }

    /// The candidates for another address that the mailbox is said to have.
    fn ask_for(&mut self, from: &Candidate, address: &str) -> Vec<Candidate> {
        let domain = domain_of(address).ok().filter(|_| self.redirects < MOST_REDIRECTS);
        let outcome = match &domain {
            Some(_) if address.eq_ignore_ascii_case(&from.address) => None,
            Some(_) => Some(format!("sends to the address {address}")),
            None => None,
        };
        let Some((domain, outcome)) = domain.zip(outcome) else {
            self.note(from.way, &from.url, "sends to an address that leads nowhere".to_owned());
            return Vec::new();
        };
        self.redirects += 1;
        self.note(from.way, &from.url, outcome);
        let hosts = [domain.clone(), format!("autodiscover.{domain}")];
        hosts.iter().flat_map(|host| both(host, address, from.host())).collect()
    }

    /// Takes a URL of EWS, if the password may go there.
    fn weigh(&mut self, way: Way, place: &Url, said: Said) -> Option<Url> {
        let (outcome, url) = match said {
            Said::Nothing(reason) => (reason, None),
            Said::Elsewhere(_) | Said::OtherAddress(_) => ("sends elsewhere".to_owned(), None),
            Said::Url(text) => match Url::parse(text.trim()) {
                Ok(url) if url.scheme() == "https" && url.host_str().is_some() && url.username().is_empty() => {
                    let by = place.host_str().unwrap_or_default().to_owned();
                    if self.may_go_to(url.host_str().unwrap_or_default(), &by) {
                        (format!("taken: {url}"), Some(url))
                    } else {
                        (format!("names {url}, but the password may not go to that host"), None)
                    }
                }
                _ => ("names a URL that cannot be used".to_owned(), None),
            },
        };
        self.note(way, place, outcome);
        url
    }

    /// Whether the password may go to a host: one of the address's own domain, or one that a person allowed.
    fn may_go_to(&mut self, host: &str, by: &str) -> bool {
        let is_own = host == self.domain || host.strip_suffix(&self.domain).is_some_and(|rest| rest.ends_with('.'));
        if is_own || self.allowed.contains(host) {
            return true;
        }
        if self.forbidden.iter().any(|forbidden| forbidden == host) {
            return false;
        }
        match self.consent.may_go_to(host, by) {
            Verdict::Yes => self.allowed.insert(host.to_owned()),
            Verdict::No => {
                self.forbidden.push(host.to_owned());
                false
            }
        }
    }

    fn note(&mut self, way: Way, place: &Url, outcome: String) {
        self.attempts.push(Attempt { way, place: place.to_string(), outcome });
    }

    fn failure(self) -> DiscoveryError {
        let address = self.search.address.clone();
        match (self.forbidden.into_iter().next(), self.refusal) {
            (Some(host), _) => DiscoveryError::NotAllowed { address, host },
            (None, Some(refusal)) => DiscoveryError::Refused(refusal),
            (None, None) => DiscoveryError::NotFound { address, untrusted: self.untrusted },
        }
    }
}

/// JSON, version 2.
fn json_url(host: &str, address: &str) -> Option<Url> {
    let mut url = Url::parse(&format!("https://{host}/autodiscover/autodiscover.json")).ok()?;
    url.query_pairs_mut().append_pair("Email", address).append_pair("Protocol", "Ews");
    Some(url)
}

#[cfg(test)]
mod tests;
