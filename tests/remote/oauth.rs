//! Tokens: how they are got, that they are renewed in time, once for all, and never lost, and that who refuses them is not asked in a loop.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::authority::{Authority, CLIENT_ID, CLIENT_SECRET, MARK};
use crate::clock::TestClock;
use pimsync::clock::Clock as _;
use pimsync::exchange::{Options, Server, Way};
use pimsync::identity::tokens::TokenFile;
use pimsync::identity::{AccountName, IdentityName, Layout, OAuth2Settings};
use pimsync::remote::auth::OAuth2;
use pimsync::remote::auth::oauth::{
    self, Application, Client, Grant, Issuer, Kept, Refreshed, Registration, TokenError, Vault as _,
    sign_in_by_browser, sign_in_by_device,
};
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::remote::reach::Reach;
use pimsync::remote::{RemoteError, RemoteRead as _};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;

const USER: &str = "demo@example.org";

/// A server that takes what an authority issues, and a place where tokens are kept.
struct Town {
    home: tempfile::TempDir,
    authority: Authority,
    server: Arc<Server>,
    clock: Arc<TestClock>,
}

impl Town {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let authority = Authority::start();
        std::fs::write(home.path().join("ca.pem"), &authority.ca).unwrap();
        let server = Arc::new(Server::start(Options { ways: vec![Way::Bearer], ..Options::default() }).unwrap());
        let granting = Arc::clone(&server);
        authority.state.lock().unwrap().issued = Box::new(move |token, _| {
            granting.grant(token, USER, SystemTime::now() + Duration::from_secs(3600));
        });
        Self { home, authority, server, clock: Arc::default() }
    }

    fn reach(&self) -> Reach {
        Reach { ca_file: Some(self.home.path().join("ca.pem")), ..Reach::default() }
    }

    fn client(&self) -> Client {
        self.client_that_trusts(&self.reach())
    }

    fn client_that_trusts(&self, reach: &Reach) -> Client {
        let authority = oauth::Authority::issuer(&self.authority.url()).unwrap();
        let registration = Registration { authority, client_id: CLIENT_ID.to_owned(), scope: "ews".to_owned() };
        Client::new(registration, reach, self.clock.clone()).unwrap()
    }

    fn vault(&self) -> TokenFile {
        vault_in(self.home.path(), &self.authority, &self.clock)
    }

    async fn by_device(&self) -> Result<Kept, TokenError> {
        sign_in_by_device(&self.client(), USER, |_| {}).await
    }

    fn ews(&self, issuer: Box<dyn Issuer>) -> EwsClient {
        let sign_in = OAuth2::new(USER, issuer, self.clock.clone());
        EwsClient::new(Settings::new(self.server.url(), Box::new(sign_in), self.clock.clone())).unwrap()
    }

    /// The way to the server with what is kept, as another process has it.
    fn another(&self) -> EwsClient {
        self.ews(Box::new(Refreshed::new(self.client(), USER, Box::new(self.vault()))))
    }

    /// A town where somebody has signed in.
    async fn signed_in() -> Self {
        let town = Self::new();
        town.vault().store(&town.by_device().await.unwrap()).await.unwrap();
        town
    }

    fn renewals(&self) -> usize {
        self.authority.state.lock().unwrap().asked_for("refresh_token")
    }

    fn refusals(&self) -> usize {
        self.server.requests().iter().filter(|request| request.status == 401).count()
    }
}

fn vault_in(root: &Path, authority: &Authority, clock: &Arc<TestClock>) -> TokenFile {
    let layout = Layout::new(Some(root), IdentityName::new("Main").unwrap()).unwrap();
    let authority = oauth::Authority::issuer(&authority.url()).unwrap();
    let settings = OAuth2Settings { client_id: CLIENT_ID.to_owned(), authority, grant: Grant::Device, scope: None };
    TokenFile::new(&layout, &AccountName::from_email(USER).unwrap(), &settings, clock.clone())
}

#[tokio::test]
async fn a_person_signs_in_on_another_device() {
    let town = Town::new();
    town.authority.state.lock().unwrap().polls.extend(["authorization_pending", "slow_down", "authorization_pending"]);
    let mut invited = None;
    let kept = sign_in_by_device(&town.client(), USER, |invitation| invited = Some(invitation.clone())).await.unwrap();
    let invited = invited.unwrap();
    assert_eq!((invited.code.as_str(), invited.time), ("WDJB-MJHT", Duration::from_secs(900)));
    assert!(invited.place.starts_with("https://"), "{}", invited.place);
    assert_eq!(town.clock.elapsed(), Duration::from_secs(5 + 5 + 10 + 10), "slower after slow_down, and so it stays");
    assert!(kept.refresh.is_some());
    town.vault().store(&kept).await.unwrap();
    town.another().special_folders().await.unwrap();
    assert_eq!(town.renewals(), 0, "what is good is not renewed");
}

#[tokio::test]
async fn who_declines_or_comes_too_late_is_not_signed_in() {
    let town = Town::new();
    for (said, told) in [
        ("access_denied", TokenError::Declined),
        ("authorization_declined", TokenError::Declined),
        ("expired_token", TokenError::TimedOut),
    ] {
        town.authority.state.lock().unwrap().polls.extend(["authorization_pending", said]);
        assert_eq!(town.by_device().await.unwrap_err(), told);
    }
    {
        let mut state = town.authority.state.lock().unwrap();
        state.code_lives = 12;
        state.polls.extend(["authorization_pending"; 9]);
    }
    assert_eq!(town.by_device().await.unwrap_err(), TokenError::TimedOut);
    assert_eq!(town.authority.state.lock().unwrap().polls.len(), 7, "nobody asks when the time is up");
}

#[tokio::test]
async fn somebody_elses_sign_in_opens_no_mailbox() {
    let town = Town::new();
    town.authority.state.lock().unwrap().who = "ben@example.org".to_owned();
    let error = town.by_device().await.unwrap_err();
    assert_eq!(error, TokenError::SomebodyElse { found: "ben@example.org".to_owned(), wanted: USER.to_owned() });
}

/// A browser that comes to a place, and what it is told there.
async fn visit(place: String) -> u16 {
    reqwest::Client::builder().no_proxy().build().unwrap().get(place).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_person_signs_in_in_a_browser() {
    let town = Town::new();
    let client = town.client();
    let (invite, invited) = tokio::sync::oneshot::channel();
    let signing = sign_in_by_browser(&client, USER, move |url| invite.send(url.clone()).unwrap());
    let browsing = async {
        let invitation = invited.await.unwrap();
        let back = town.authority.agree(&invitation);
        // Others who come to the door open nothing, and shut nothing.
        let _silent = tokio::net::TcpStream::connect(back["http://".len()..].split('/').next().unwrap()).await.unwrap();
        let forged = back.replace("state=", "state=x");
        assert_eq!(visit(forged).await, 400);
        assert_eq!(visit(back.replace("iss=https", "iss=http")).await, 400);
        assert_eq!(visit(back).await, 200);
    };
    let (kept, ()) = tokio::join!(signing, browsing);
    town.vault().store(&kept.unwrap()).await.unwrap();
    town.another().special_folders().await.unwrap();
}

#[tokio::test]
async fn a_browser_may_bring_a_no() {
    let town = Town::new();
    let client = town.client();
    let (invite, invited) = tokio::sync::oneshot::channel();
    let signing = sign_in_by_browser(&client, USER, move |url| invite.send(url.clone()).unwrap());
    let browsing = async {
        let back = town.authority.agree(&invited.await.unwrap());
        assert_eq!(visit(back.replace(&format!("code={MARK}code"), "error=access_denied")).await, 200);
    };
    let (signed, ()) = tokio::join!(signing, browsing);
    assert_eq!(signed.unwrap_err(), TokenError::Declined);
}

#[tokio::test]
async fn a_code_is_of_no_use_without_its_verifier() {
    let town = Town::new();
    let client = town.client();
    let (invite, invited) = tokio::sync::oneshot::channel();
    let signing = sign_in_by_browser(&client, USER, move |url| invite.send(url.clone()).unwrap());
    let browsing = async {
        let invitation = invited.await.unwrap();
        let back = town.authority.agree(&invitation);
        // The code was made for somebody else's challenge.
        let others = invitation.as_str().replace("code_challenge=", "code_challenge=x");
        town.authority.agree(&others.parse().unwrap());
        visit(back).await
    };
    let (signed, _) = tokio::join!(signing, browsing);
    assert!(matches!(signed, Err(TokenError::Refused(refusal)) if refusal.error == "invalid_grant"));
}

#[tokio::test]
async fn a_program_signs_in_for_itself() {
    let town = Town::new();
    let client = town.ews(Box::new(Application::new(town.client(), CLIENT_SECRET.into())));
    client.special_folders().await.unwrap();
    town.clock.advance(3400);
    client.special_folders().await.unwrap();
    assert_eq!(town.authority.state.lock().unwrap().asked_for("client_credentials"), 2, "got anew before it ends");

    let wrong = town.ews(Box::new(Application::new(town.client(), "wrong-secret".into())));
    for _ in 0..3 {
        let error = wrong.special_folders().await.unwrap_err();
        assert!(
            matches!(&error, RemoteError::Token(TokenError::Refused(refusal)) if refusal.aadsts == Some(7_000_215)),
            "{error}"
        );
        assert!(!format!("{error:?}").contains("wrong-secret"));
    }
    assert_eq!(town.authority.state.lock().unwrap().asked_for("client_credentials"), 3, "a no is not asked for again");
}

#[tokio::test]
async fn tokens_are_renewed_before_they_end_and_each_is_shown_once() {
    let town = Town::signed_in().await;
    let client = town.another();
    for _ in 0..5 {
        client.special_folders().await.unwrap();
        town.clock.advance(3400);
    }
    assert_eq!((town.renewals(), town.refusals()), (4, 0));
    // A later process goes on with what the last one kept.
    town.another().special_folders().await.unwrap();
    assert_eq!((town.renewals(), town.refusals()), (5, 0));
}

#[tokio::test]
async fn one_renewal_serves_all_connections_and_processes() {
    let town = Town::signed_in().await;
    let clients: Vec<EwsClient> = (0..4).map(|_| town.another()).collect();
    for round in 1..=3 {
        town.clock.advance(3400);
        let all = clients.iter().flat_map(|client| (0..4).map(move |_| client.special_folders()));
        for result in futures_util::future::join_all(all).await {
            result.unwrap();
        }
        assert_eq!((town.renewals(), town.refusals()), (round, 0));
    }
}

#[tokio::test]
async fn a_token_that_the_server_drops_is_replaced_once() {
    let town = Town::signed_in().await;
    let client = town.another();
    client.special_folders().await.unwrap();
    let token = town.vault().read().unwrap().unwrap().access.token;
    town.server.revoke(token.expose_secret());
    let all = (0..4).map(|_| client.special_folders());
    futures_util::future::join_all(all).await.into_iter().for_each(|result| drop(result.unwrap()));
    assert_eq!(town.renewals(), 1);

    // From now on the server takes none.
    town.authority.state.lock().unwrap().issued = Box::new(|_, _| {});
    let token = town.vault().read().unwrap().unwrap().access.token;
    town.server.revoke(token.expose_secret());
    town.server.clear_requests();
    for _ in 0..3 {
        let error = client.special_folders().await.unwrap_err();
        assert!(matches!(error, RemoteError::TokenRefused { .. }), "{error}");
    }
    assert_eq!((town.renewals(), town.refusals()), (2, 2), "one more token, and then an end");
}

#[tokio::test]
async fn an_authority_that_is_offline_is_no_refusal() {
    let town = Town::signed_in().await;
    let client = town.another();
    client.special_folders().await.unwrap();
    town.authority.state.lock().unwrap().is_down = true;
    town.clock.advance(3400);
    client.special_folders().await.unwrap();
    town.clock.advance(300);
    let error = client.special_folders().await.unwrap_err();
    assert!(matches!(error, RemoteError::Token(TokenError::Unreachable { .. })), "{error}");
    town.authority.state.lock().unwrap().is_down = false;
    client.special_folders().await.unwrap();
    assert_eq!(town.renewals(), 1);
}

#[tokio::test]
async fn what_is_revoked_wants_a_person() {
    let town = Town::signed_in().await;
    town.authority.revoke();
    town.clock.advance(3400);
    let error = town.another().special_folders().await.unwrap_err();
    match &error {
        RemoteError::Token(error @ TokenError::Refused(refusal)) => {
            assert!(error.wants_person());
            assert!(!refusal.words.contains(MARK), "what was sent is not told back: {}", refusal.words);
        }
        _ => panic!("{error}"),
    }
    assert_eq!(town.refusals(), 0, "the server is not asked without a token");
    let nobody = tempfile::tempdir().unwrap();
    let vault = vault_in(nobody.path(), &town.authority, &town.clock);
    let client = town.ews(Box::new(Refreshed::new(town.client(), USER, Box::new(vault))));
    let error = client.special_folders().await.unwrap_err();
    assert!(matches!(error, RemoteError::Token(TokenError::Nothing { .. })), "{error}");
}

#[tokio::test]
async fn a_renewal_ends_well_though_nobody_waits_for_it() {
    let town = Town::signed_in().await;
    town.clock.advance(3400);
    let gate = Arc::new(Semaphore::new(1));
    town.authority.state.lock().unwrap().gate = Some(Arc::clone(&gate));
    let client = town.another();
    let asking = tokio::spawn(async move { client.special_folders().await.map(drop) });
    // The metadata come through; the authority has renewed the tokens, and its answer is under way.
    while town.renewals() == 0 {
        tokio::task::yield_now().await;
    }
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    gate.add_permits(100);
    town.another().special_folders().await.unwrap();
    assert_eq!(town.renewals(), 1, "the answer was not lost");
}

#[tokio::test]
async fn an_authority_must_be_trusted() {
    let town = Town::new();
    let stranger = town.client_that_trusts(&Reach::default());
    let error = sign_in_by_device(&stranger, USER, |_| {}).await.unwrap_err();
    assert!(matches!(error, TokenError::Untrusted { .. }), "{error}");
    assert!(town.authority.state.lock().unwrap().asked.is_empty(), "it saw nothing");
}
