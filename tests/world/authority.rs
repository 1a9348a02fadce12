//! Who issues tokens, behind TLS: device codes, codes with PKCE, programs' own secrets, and refresh tokens that are good once only.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

pub const CLIENT_ID: &str = "pimsync-of-test";
pub const CLIENT_SECRET: &str = "Program-Secret-9182";
/// All that is secret of what it issues begins so.
pub const MARK: &str = "canary-";

pub type Form = HashMap<String, String>;

/// Hears of a token, and of the grant that it was got by.
pub type Told = Box<dyn Fn(&str, &str) + Send>;

pub struct Authority {
    pub address: SocketAddr,
    /// The certificate of who signed its own (PEM).
    pub ca: String,
    pub state: Arc<Mutex<State>>,
}

pub struct State {
    /// What is said to the next questions of a device, before it gets its tokens.
    pub polls: VecDeque<&'static str>,
    /// What a renewal is answered with instead: an error's name and words.
    pub refuses: Option<(&'static str, &'static str)>,
    /// Says nothing but that it is broken.
    pub is_down: bool,
    /// Who signs in, as the ID token says.
    pub who: String,
    pub expires_in: u32,
    pub interval: u32,
    pub code_lives: u32,
    /// The forms that it got.
    pub asked: Vec<Form>,
    /// Told of each token.
    pub issued: Told,
    /// Answers are ready, but wait here.
    pub gate: Option<Arc<Semaphore>>,
    refresh: Option<String>,
    used: Vec<String>,
    challenge: String,
    count: u32,
}

impl State {
    pub fn asked_for(&self, grant: &str) -> usize {
        self.asked.iter().filter(|form| form.get("grant_type").is_some_and(|said| said.ends_with(grant))).count()
    }
}

impl Authority {
    pub fn start() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        let state = Arc::new(Mutex::new(State {
            polls: VecDeque::new(),
            refuses: None,
            is_down: false,
            who: "demo@example.org".to_owned(),
            expires_in: 3600,
            interval: 5,
            code_lives: 900,
            asked: Vec::new(),
            issued: Box::new(|_, _| {}),
            gate: None,
            refresh: None,
            used: Vec::new(),
            challenge: String::new(),
            count: 0,
        }));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let shared = Arc::clone(&state);
        let serving = async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let Some((head, body)) = request(&mut stream).await else { return };
                    let (status, answer) = respond(&shared, address, &head, &body);
                    let gate = shared.lock().unwrap().gate.clone();
                    if let Some(gate) = gate {
                        gate.acquire().await.unwrap().forget();
                    }
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
                        answer.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        };
        // A thread of its own, which tests that are asynchronous themselves need; it ends with the process.
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(serving);
        });
        Self { address, ca: issuer.pem(), state }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What a browser does once its person has signed in and agreed: where it is sent then.
    pub fn agree(&self, invitation: &url::Url) -> String {
        let query: Form = invitation.query_pairs().into_owned().collect();
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["client_id"], CLIENT_ID);
        self.state.lock().unwrap().challenge.clone_from(&query["code_challenge"]);
        format!("{}?code={MARK}code&state={}&iss={}", query["redirect_uri"], query["state"], self.url())
    }

    /// Lets nobody in any more by what it issued.
    pub fn revoke(&self) {
        self.state.lock().unwrap().refresh = None;
    }
}

async fn request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let (from, length) = (at + 4, length.unwrap_or(0_usize));
            while bytes.len() < from + length {
                if stream.read_buf(&mut bytes).await.ok()? == 0 {
                    return None;
                }
            }
            return Some((head, String::from_utf8_lossy(&bytes[from..]).into_owned()));
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn respond(state: &Mutex<State>, address: SocketAddr, head: &str, body: &str) -> (u16, String) {
    let mut state = state.lock().unwrap();
    let own = format!("https://{address}");
    if state.is_down {
        return (503, String::new());
    }
    let target = head.split(' ').nth(1).unwrap_or_default();
    let mut form: Form = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    if target != "/.well-known/openid-configuration" {
        state.asked.push(form.clone());
    }
    match target {
        "/.well-known/openid-configuration" => (
            200,
            format!(
                r#"{{"issuer":"{own}","token_endpoint":"{own}/token","authorization_endpoint":"{own}/authorize","device_authorization_endpoint":"{own}/device","token_endpoint_auth_methods_supported":["client_secret_post"],"authorization_response_iss_parameter_supported":true}}"#
            ),
        ),
        "/device" => (
            200,
            format!(
                r#"{{"device_code":"{MARK}device","user_code":"WDJB-MJHT","verification_uri":"{own}/go","expires_in":{},"interval":{}}}"#,
                state.code_lives, state.interval
            ),
        ),
        "/token" => token(&mut state, &mut form),
        _ => (404, String::new()),
    }
}

fn no(error: &str, words: &str) -> (u16, String) {
    (400, format!(r#"{{"error":"{error}","error_description":"{words}"}}"#))
}

fn token(state: &mut State, form: &mut Form) -> (u16, String) {
    let said = |name: &str| form.get(name).cloned().unwrap_or_default();
    if said("client_id") != CLIENT_ID {
        return no("invalid_client", "AADSTS700016: no such application");
    }
    let grant = said("grant_type");
    match grant.as_str() {
        "urn:ietf:params:oauth:grant-type:device_code" => match state.polls.pop_front() {
            Some(error) => return no(error, ""),
            None if said("device_code") != format!("{MARK}device") => return no("invalid_grant", ""),
            None => {}
        },
        "authorization_code" => {
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(said("code_verifier")));
            if said("code") != format!("{MARK}code") || challenge != state.challenge {
                return no("invalid_grant", "the code is not yours");
            }
        }
        "refresh_token" => {
            if let Some((error, words)) = state.refuses {
                return no(error, words);
            }
            let shown = said("refresh_token");
            if state.refresh.as_ref() != Some(&shown) {
                // Shown twice: somebody may have stolen it.
                state.refresh = None;
                return no("invalid_grant", &format!("AADSTS70000: {shown} is not good any more"));
            }
            state.used.push(shown);
        }
        "client_credentials" => {
            if said("client_secret") != CLIENT_SECRET {
                return no("invalid_client", "AADSTS7000215: the secret is wrong");
            }
        }
        _ => return no("unsupported_grant_type", ""),
    }
    state.count += 1;
    let access = format!("{MARK}access-{}", state.count);
    (state.issued)(&access, &grant);
    let mut answer = format!(r#"{{"token_type":"Bearer","access_token":"{access}","expires_in":{}"#, state.expires_in);
    if grant != "client_credentials" {
        let refresh = format!("{MARK}refresh-{}", state.count);
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"preferred_username":"{}"}}"#, state.who));
        answer.push_str(&format!(r#","refresh_token":"{refresh}","id_token":"e30.{claims}.""#));
        state.refresh = Some(refresh);
    }
    (200, answer + "}")
}
