//! The network, asked with short patience, and never more of an answer read than one of Autodiscover can have.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use reqwest::header::{self, HeaderMap, HeaderValue};
use url::Url;

use super::{DiscoveryError, Knock, PATIENCE, Reply, Search, Wire, dns, words};
use crate::clock::{Clock, within};
use crate::remote::auth::{Scheme, SignIn};
use crate::remote::ews::TimeLimits;
use crate::remote::ews::autodiscover::words::Said;
use crate::remote::ews::http::{Asker, Content, Http, Unsent, challenges};
use crate::remote::tls::chain;

/// The longest answer that is read.
const LONGEST: usize = 1 << 20;

/// The real one.
pub(super) struct Network {
    asker: Asker,
    clock: Arc<dyn Clock>,
    plain: reqwest::Client,
}

impl Network {
    pub(super) fn new(search: &Search) -> Result<Self, DiscoveryError> {
        let limits = TimeLimits { connect: PATIENCE, idle: PATIENCE };
        let agent = concat!("pimsync/", env!("CARGO_PKG_VERSION"));
        let asker = Asker::new(&search.reach, agent, limits, search.clock.clone());
        let asker = asker.map_err(|error| DiscoveryError::Unusable(error.to_string()))?;
        let plain = match &search.reach.proxy {
            Some(proxy) => reqwest::Proxy::all(proxy.as_str()).map(|proxy| reqwest::Client::builder().proxy(proxy)),
            None => Ok(reqwest::Client::builder()),
        };
        let plain = plain
            .map_err(|error| DiscoveryError::Unusable(chain(&error)))?
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(PATIENCE)
            .tls_certs_only(Vec::new())
            .http1_only()
            .build()
            .map_err(|error| DiscoveryError::Unusable(chain(&error)))?;
        Ok(Self { asker, clock: search.clock.clone(), plain })
    }

    fn http(&self, url: &Url) -> Result<Http, String> {
        Http::at(self.asker.clone(), url.clone()).map_err(|error| error.to_string())
    }

    async fn ask(
        &self,
        url: &Url,
        sign_in: Option<&dyn SignIn>,
        method: reqwest::Method,
        body: String,
    ) -> Result<Heard, Unsent> {
        let http = self.http(url).map_err(Unsent::Broken)?;
        let mut headers = HeaderMap::new();
        let is_get = method == reqwest::Method::GET;
        if !is_get {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
        }
        let asking = async {
            let reply = match sign_in {
                Some(sign_in) => http.send(http.carrier(sign_in).await?, headers, Content::Text(body)).await?,
                None => http.unsigned(method, headers, body).await?,
            };
            let mut whole = BytesMut::new();
            let mut chunks = reply.chunks;
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(|error| Unsent::Broken(error.to_string()))?;
                if whole.len() + chunk.len() > LONGEST {
                    return Err(Unsent::Broken("an answer without end".to_owned()));
                }
                whole.extend_from_slice(&chunk);
            }
            Ok(Heard { status: reply.status.as_u16(), headers: reply.headers, body: whole.freeze() })
        };
        within(&*self.clock, PATIENCE * 2, asking).await.ok_or(Unsent::Silence)?
    }
}

struct Heard {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Heard {
    fn location(&self) -> Option<String> {
        let is_redirect = matches!(self.status, 301 | 302 | 303 | 307 | 308);
        let to = self.headers.get(header::LOCATION).filter(|_| is_redirect)?;
        to.to_str().ok().map(str::to_owned)
    }
}

fn words_of(unsent: Unsent) -> String {
    match unsent {
        Unsent::Broken(reason) => last_cause(&reason),
        Unsent::Untrusted(reason) => format!("not trusted: {}", last_cause(&reason)),
        Unsent::Silence => "no answer in time".to_owned(),
        Unsent::NoWay(unknown) => format!("offers only {}", unknown.offered.join(", ")),
        Unsent::Odd(challenge) => challenge.to_string(),
        Unsent::Tokenless(error) => error.to_string(),
        Unsent::Refused | Unsent::Unsendable => "refused the sign-in".to_owned(),
        Unsent::Answered(status, _) => format!("HTTP {}", status.as_u16()),
    }
}

/// What is said last says most.
fn last_cause(reason: &str) -> String {
    let causes: Vec<&str> = reason.split(": ").collect();
    causes.get(causes.len().saturating_sub(2)..).unwrap_or_default().join(": ")
}

#[async_trait]
impl Wire for Network {
    async fn json(&self, url: &Url) -> Said {
        match self.ask(url, None, reqwest::Method::GET, String::new()).await {
            Ok(heard) if heard.status == 200 || heard.status == 400 || heard.status == 404 => {
                match words::json(&heard.body) {
                    Said::Nothing(_) if heard.status == 404 => Said::Nothing("HTTP 404".to_owned()),
                    said => said,
                }
            }
            // Where it points to is asked in the other ways.
            Ok(heard) => Said::Nothing(format!("HTTP {}", heard.status)),
            Err(unsent) => Said::Nothing(words_of(unsent)),
        }
    }

    async fn knock(&self, url: &Url, body: String) -> Knock {
        match self.ask(url, None, reqwest::Method::POST, body).await {
            Ok(heard) => match (heard.status, heard.location()) {
                (401, _) => Knock::Door(challenges(&heard.headers)),
                (_, Some(to)) => Knock::Elsewhere(to),
                (200, None) => Knock::Said(words::xml(heard.body).await),
                (status, None) => Knock::Said(Said::Nothing(format!("HTTP {status}"))),
            },
            Err(unsent @ Unsent::Untrusted(_)) => Knock::Untrusted(words_of(unsent)),
            Err(unsent) => Knock::Said(Said::Nothing(words_of(unsent))),
        }
    }

    async fn post(&self, url: &Url, body: String, sign_in: &dyn SignIn) -> Reply {
        let scheme = sign_in.manner().scheme().unwrap_or(Scheme::Basic);
        match self.ask(url, Some(sign_in), reqwest::Method::POST, body).await {
            Ok(heard) => match (heard.status, heard.location()) {
                (401, _) => Reply::Refused(scheme),
                (_, Some(to)) => Reply::Elsewhere(to),
                (200 | 500, None) => Reply::Said(words::xml(heard.body).await),
                (status, None) => Reply::Said(Said::Nothing(format!("HTTP {status}"))),
            },
            Err(Unsent::Refused) => Reply::Refused(scheme),
            Err(unsent) => Reply::Said(Said::Nothing(words_of(unsent))),
        }
    }

    async fn plain_redirect(&self, url: &Url) -> Result<String, String> {
        let asked = within(&*self.clock, PATIENCE, self.plain.get(url.clone()).send()).await;
        let response = asked.ok_or("no answer in time")?.map_err(|error| last_cause(&chain(&error)))?;
        let heard =
            Heard { status: response.status().as_u16(), headers: response.headers().clone(), body: Bytes::new() };
        heard.location().ok_or_else(|| format!("HTTP {}", heard.status))
    }

    async fn srv(&self, name: &str) -> Result<Vec<(String, u16)>, String> {
        let servers = dns::servers().await;
        let asked = within(&*self.clock, PATIENCE / 2, dns::srv(name, &servers, &*self.clock)).await;
        asked.ok_or("no answer in time")?
    }
}
