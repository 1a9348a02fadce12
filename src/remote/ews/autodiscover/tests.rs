//! Whom the search asks, whom it believes, and above all: who gets to see the password.

use std::collections::HashMap;
use std::sync::Mutex;

use super::*;
use crate::clock::SystemClock;

const ANNA: &str = "anna@example.org";

/// A network that is made up, and notes who was asked, and who was shown the password.
#[derive(Default)]
struct Made {
    json: HashMap<&'static str, Said>,
    knocks: HashMap<&'static str, Knock>,
    posts: HashMap<&'static str, Reply>,
    redirect: Option<&'static str>,
    srv: Vec<(&'static str, u16)>,
    shown: Mutex<Vec<String>>,
    knocked: Mutex<Vec<String>>,
}

#[async_trait]
impl Wire for Made {
    async fn json(&self, url: &Url) -> Said {
        let said = self.json.get(url.host_str().unwrap()).cloned();
        said.unwrap_or_else(|| Said::Nothing("HTTP 404".to_owned()))
    }
    async fn knock(&self, url: &Url, body: String) -> Knock {
        assert!(body.contains('@'));
        self.knocked.lock().unwrap().push(url.to_string());
        let knock = self.knocks.get(url.as_str()).cloned();
        knock.unwrap_or_else(|| Knock::Said(Said::Nothing("HTTP 404".to_owned())))
    }
    async fn post(&self, url: &Url, _: String, sign_in: &dyn SignIn) -> Reply {
        assert_eq!(url.scheme(), "https");
        assert!(sign_in.manner().scheme().is_some());
        self.shown.lock().unwrap().push(url.to_string());
        self.posts.get(url.as_str()).cloned().unwrap_or(Reply::Refused(Scheme::Ntlm))
    }
    async fn plain_redirect(&self, url: &Url) -> Result<String, String> {
        assert_eq!(url.as_str(), "http://autodiscover.example.org/autodiscover/autodiscover.xml");
        self.redirect.map(str::to_owned).ok_or_else(|| "HTTP 404".to_owned())
    }
    async fn srv(&self, name: &str) -> Result<Vec<(String, u16)>, String> {
        assert_eq!(name, "_autodiscover._tcp.example.org");
        Ok(self.srv.iter().map(|(host, port)| ((*host).to_owned(), *port)).collect())
    }
}

/// A person who says yes to some hosts, and notes which were asked about.
struct Person(&'static [&'static str], Vec<String>);

impl Consent for Person {
    fn may_go_to(&mut self, host: &str, _: &str) -> Verdict {
        self.1.push(host.to_owned());
        if self.0.contains(&host) { Verdict::Yes } else { Verdict::No }
    }
}

struct Outcome {
    found: Result<Url, DiscoveryError>,
    attempts: Vec<Attempt>,
    asked: Vec<String>,
    shown: Vec<String>,
}

impl Outcome {
    fn url(&self) -> &str {
        self.found.as_ref().unwrap().as_str()
    }

    fn told(&self, words: &str) -> bool {
        self.attempts.iter().any(|attempt| attempt.outcome.contains(words))
    }
}

fn search(wire: &Made, yes: &'static [&'static str]) -> Outcome {
    search_as(wire, yes, None)
}

fn search_as(wire: &Made, yes: &'static [&'static str], auth: Option<Scheme>) -> Outcome {
    let search = Search {
        address: ANNA.to_owned(),
        user: ANNA.to_owned(),
        password: Some("sesame".into()),
        auth,
        reach: Reach::default(),
        clock: Arc::new(SystemClock::new()),
    };
    let (mut person, mut attempts) = (Person(yes, Vec::new()), Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let found = runtime.block_on(search.run_over(wire, &mut person, &mut attempts));
    Outcome { found, attempts, asked: person.1, shown: wire.shown.lock().unwrap().clone() }
}

fn door() -> Knock {
    Knock::Door(Challenges::read(["NTLM", "Basic realm=\"x\""]))
}

fn url(text: &str) -> Said {
    Said::Url(text.to_owned())
}

const EWS: &str = "https://mail.example.org/EWS/Exchange.asmx";
const SVC: &str = "https://autodiscover.example.org/autodiscover/autodiscover.svc";
const XML: &str = "https://autodiscover.example.org/autodiscover/autodiscover.xml";
const BARE_SVC: &str = "https://example.org/autodiscover/autodiscover.svc";
const BARE_XML: &str = "https://example.org/autodiscover/autodiscover.xml";
const HOSTED: &str = "https://autodiscover.hoster.example/autodiscover/autodiscover.xml";

#[test]
fn json_needs_no_password() {
    let wire = Made { json: [("autodiscover.example.org", url(EWS))].into(), ..Made::default() };
    let outcome = search(&wire, &[]);
    assert_eq!(outcome.url(), EWS);
    assert!(outcome.shown.is_empty() && outcome.asked.is_empty());
}

#[test]
fn soap_comes_before_pox_and_the_domain_itself_first() {
    for (doors, taken) in [
        (&[BARE_SVC, BARE_XML, SVC, XML][..], BARE_SVC),
        (&[BARE_XML, SVC, XML], BARE_XML),
        (&[SVC, XML], SVC),
        (&[XML], XML),
    ] {
        let knocks = doors.iter().map(|at| (*at, door())).collect();
        let posts = doors.iter().map(|at| (*at, Reply::Said(url(EWS)))).collect();
        let outcome = search(&Made { knocks, posts, ..Made::default() }, &[]);
        assert_eq!((outcome.url(), outcome.shown.as_slice()), (EWS, &[taken.to_owned()][..]));
    }
}

#[test]
fn a_web_server_that_refuses_everybody_does_not_end_the_search() {
    let wire = Made {
        knocks: [(BARE_SVC, door()), (BARE_XML, door()), (SVC, door())].into(),
        posts: [(SVC, Reply::Said(url(EWS)))].into(),
        ..Made::default()
    };
    let outcome = search(&wire, &[]);
    assert_eq!(outcome.url(), EWS);
    assert_eq!(outcome.shown, [BARE_SVC, SVC], "each host is tried once: accounts are locked after a few");
    assert!(outcome.told("the same host refused"));
}

#[test]
fn a_wrong_password_is_told_and_not_tried_at_every_corner() {
    let knocks = [BARE_SVC, BARE_XML, SVC, XML].map(|at| (at, door())).into();
    let outcome = search(&Made { knocks, ..Made::default() }, &[]);
    assert!(matches!(outcome.found, Err(DiscoveryError::Refused(RemoteError::SignInRefused { .. }))));
    assert_eq!(outcome.shown.len(), 2);
}

#[test]
fn another_host_sees_no_password_without_a_yes() {
    // Over plain HTTP anybody can send anywhere.
    let wire = || Made {
        redirect: Some(HOSTED),
        knocks: [(HOSTED, door())].into(),
        posts: [(HOSTED, Reply::Said(url("https://mail.hoster.example/EWS/Exchange.asmx")))].into(),
        ..Made::default()
    };
    let outcome = search(&wire(), &[]);
    assert!(outcome.shown.is_empty());
    assert_eq!(outcome.asked, ["autodiscover.hoster.example"]);
    assert!(
        matches!(&outcome.found, Err(DiscoveryError::NotAllowed { host, .. }) if host == "autodiscover.hoster.example")
    );
    // Where it may be asked, what it says still is another host.
    let outcome = search(&wire(), &["autodiscover.hoster.example"]);
    assert_eq!(outcome.shown, [HOSTED]);
    assert!(matches!(&outcome.found, Err(DiscoveryError::NotAllowed { host, .. }) if host == "mail.hoster.example"));
    let outcome = search(&wire(), &["autodiscover.hoster.example", "mail.hoster.example"]);
    assert_eq!(outcome.url(), "https://mail.hoster.example/EWS/Exchange.asmx");
}

#[test]
fn a_name_that_only_looks_like_the_domain_is_another_host() {
    for host in ["example.org.evil.example", "evilexample.org", "mail.example.com", "127.0.0.1", "localhost"] {
        let ews = format!("https://{host}/EWS/Exchange.asmx");
        let wire = Made { json: [("example.org", url(&ews))].into(), ..Made::default() };
        let outcome = search(&wire, &[]);
        assert!(matches!(&outcome.found, Err(DiscoveryError::NotAllowed { host: told, .. }) if told == host), "{host}");
    }
}

#[test]
fn only_https_is_taken() {
    for ews in [
        "http://mail.example.org/EWS",
        "ftp://mail.example.org/",
        "mail.example.org",
        "",
        "https://a:b@mail.example.org/",
    ] {
        let wire = Made { json: [("example.org", url(ews))].into(), ..Made::default() };
        let outcome = search(&wire, &[]);
        assert!(matches!(outcome.found, Err(DiscoveryError::NotFound { .. })) && outcome.asked.is_empty(), "{ews}");
    }
    for to in ["http://mail.example.org/a.xml", "javascript:x", "//"] {
        let wire = Made { redirect: Some(to), ..Made::default() };
        assert!(search(&wire, &[]).told("not https"), "{to}");
        let wire = Made { knocks: [(XML, Knock::Elsewhere(to.to_owned()))].into(), ..Made::default() };
        let outcome = search(&wire, &[]);
        assert!(outcome.told("not https") || outcome.told("sends to https"), "{to}: {:?}", outcome.attempts);
        assert!(outcome.shown.is_empty());
    }
}

#[test]
fn redirects_are_followed_but_not_in_circles() {
    const OTHER: &str = "https://mail.example.org/autodiscover/autodiscover.xml";
    let wire = Made {
        knocks: [(XML, Knock::Elsewhere(OTHER.to_owned())), (OTHER, door())].into(),
        posts: [(OTHER, Reply::Said(url(EWS)))].into(),
        ..Made::default()
    };
    assert_eq!(search(&wire, &[]).url(), EWS);
    let wire = Made {
        knocks: [(XML, Knock::Elsewhere(OTHER.to_owned())), (OTHER, Knock::Elsewhere(XML.to_owned()))].into(),
        ..Made::default()
    };
    let outcome = search(&wire, &[]);
    assert!(matches!(outcome.found, Err(DiscoveryError::NotFound { .. })));
    assert_eq!(wire.knocked.lock().unwrap().iter().filter(|at| *at == OTHER).count(), 1);
}

#[test]
fn a_chain_of_redirects_ends() {
    // Each to a place of its own.
    struct Endless(Mutex<usize>);
    #[async_trait]
    impl Wire for Endless {
        async fn json(&self, _: &Url) -> Said {
            Said::Nothing(String::new())
        }
        async fn knock(&self, _: &Url, _: String) -> Knock {
            let mut count = self.0.lock().unwrap();
            *count += 1;
            Knock::Elsewhere(format!("https://example.org/{count}"))
        }
        async fn post(&self, _: &Url, _: String, _: &dyn SignIn) -> Reply {
            Reply::Said(Said::Nothing(String::new()))
        }
        async fn plain_redirect(&self, _: &Url) -> Result<String, String> {
            Err(String::new())
        }
        async fn srv(&self, _: &str) -> Result<Vec<(String, u16)>, String> {
            Err(String::new())
        }
    }
    let wire = Endless(Mutex::new(0));
    let search = Search {
        address: ANNA.to_owned(),
        user: ANNA.to_owned(),
        password: Some("sesame".into()),
        auth: None,
        reach: Reach::default(),
        clock: Arc::new(SystemClock::new()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut attempts = Vec::new();
    let found = runtime.block_on(search.run_over(&wire, &mut Person(&[], Vec::new()), &mut attempts));
    assert!(matches!(found, Err(DiscoveryError::NotFound { .. })));
    assert_eq!(*wire.0.lock().unwrap(), 4 + MOST_REDIRECTS);
}

#[test]
fn another_address_is_asked_about_where_its_server_may_be_asked() {
    const THERE: &str = "https://autodiscover.hoster.example/autodiscover/autodiscover.svc";
    let wire = || Made {
        knocks: [(XML, door()), (THERE, door())].into(),
        posts: [
            (XML, Reply::Said(Said::OtherAddress("anna@hoster.example".to_owned()))),
            (THERE, Reply::Said(url("https://autodiscover.hoster.example/EWS/Exchange.asmx"))),
        ]
        .into(),
        ..Made::default()
    };
    let outcome = search(&wire(), &[]);
    assert_eq!(outcome.shown, [XML]);
    assert!(matches!(outcome.found, Err(DiscoveryError::NotAllowed { .. })));
    let outcome = search(&wire(), &["autodiscover.hoster.example"]);
    assert_eq!(outcome.url(), "https://autodiscover.hoster.example/EWS/Exchange.asmx");
    // The same address again leads nowhere.
    let circle = Reply::Said(Said::OtherAddress(ANNA.to_owned()));
    let wire = Made { knocks: [(XML, door())].into(), posts: [(XML, circle)].into(), ..Made::default() };
    assert!(search(&wire, &[]).told("leads nowhere"));
}

#[test]
fn dns_names_hosts_for_port_443_alone() {
    const NAMED: &str = "https://mail.example.org/autodiscover/autodiscover.xml";
    let wire = Made {
        srv: vec![("other.example.org", 8443), ("mail.example.org", 443)],
        knocks: [(NAMED, door())].into(),
        posts: [(NAMED, Reply::Said(url(EWS)))].into(),
        ..Made::default()
    };
    let outcome = search(&wire, &[]);
    assert_eq!((outcome.url(), outcome.shown.as_slice()), (EWS, &[NAMED.to_owned()][..]));
    assert!(outcome.told("only 443 will do"));
}

#[test]
fn a_certificate_that_is_not_trusted_is_told() {
    let wire = Made { knocks: [(XML, Knock::Untrusted("expired".to_owned()))].into(), ..Made::default() };
    let outcome = search(&wire, &[]);
    let error = outcome.found.unwrap_err().to_string();
    assert_eq!(
        error,
        "no Exchange server was found for anna@example.org; the certificate of autodiscover.example.org is not trusted"
    );
    assert!(outcome.shown.is_empty());
}

#[test]
fn a_way_to_sign_in_that_is_wanted_is_the_only_one() {
    let wire = Made { knocks: [(XML, Knock::Door(Challenges::read(["Basic"])))].into(), ..Made::default() };
    let outcome = search_as(&wire, &[], Some(Scheme::Ntlm));
    assert!(outcome.told("offers Basic, not NTLM") && outcome.shown.is_empty());
    let wire = Made { knocks: [(XML, Knock::Door(Challenges::read(["Bearer"])))].into(), ..Made::default() };
    let outcome = search(&wire, &[]);
    assert!(outcome.told("offers only Bearer") && outcome.shown.is_empty());
}

#[test]
fn what_is_no_address_is_not_looked_for() {
    for address in
        ["anna", "anna@", "@", "anna@localhost", "anna@a b", "anna@x.org/evil", "anna@x.org:80", "anna@1.2.3.4"]
    {
        assert!(domain_of(address).is_err(), "{address}");
    }
    assert_eq!(domain_of("anna@Example.ORG").unwrap(), "example.org");
    assert_eq!(domain_of("anna@bücher.example").unwrap(), "xn--bcher-kva.example");
}
