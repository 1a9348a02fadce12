//! Whose certificate is trusted: the system's authorities', that of a private one when it is named, one that is pinned, and only then.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::house::TestClock;
use pimsync::pim::FolderId;
use pimsync::remote::auth::Scheme;
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::remote::reach::{Pin, Reach};
use pimsync::remote::{RemoteError, RemoteRead};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

const ANSWER: &str = "<Envelope><Body><R><ResponseMessages><M ResponseClass='Success'><SyncState>s</SyncState></M></ResponseMessages></R></Body></Envelope>";

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate and its key.
struct Pair {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    pem: String,
}

impl Pair {
    fn of(certificate: rcgen::Certificate, key: &KeyPair) -> Self {
        let pem = certificate.pem() + &key.serialize_pem();
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Self { certificate: certificate.der().clone(), key: der, pem }
    }

    fn signed(name: &str, authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        Self::of(params.signed_by(&key, authority).unwrap(), &key)
    }

    /// As servers make one for themselves; some call themselves an authority.
    fn self_signed(is_ca: IsCa) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = is_ca;
        Self::of(params.self_signed(&key).unwrap(), &key)
    }
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server that answers one request a connection, and counts who came so far as to send one. With `asks_for`, clients must have a certificate of that authority.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn new(pair: &Pair, asks_for: Option<&Authority>) -> Self {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match asks_for {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der().clone()).unwrap();
                let provider = Arc::new(ring::default_provider());
                builder.with_client_cert_verifier(
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
                )
            }
        };
        // Without a look at whether the two belong together.
        let key = ring::sign::any_supported_type(&pair.key).unwrap();
        let pair = SingleCertAndKey::from(CertifiedKey::new(vec![pair.certificate.clone()], key));
        let config = builder.with_cert_resolver(Arc::new(pair));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (came, asked) = (connections.clone(), requests.clone());
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                came.fetch_add(1, Ordering::SeqCst);
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = vec![0; 64 * 1024];
                if !matches!(stream.read(&mut request).await, Ok(1..)) {
                    continue;
                }
                asked.fetch_add(1, Ordering::SeqCst);
                let answer =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{ANSWER}", ANSWER.len());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { port, connections, requests }
    }

    async fn ask(&self, reach: &Reach, scheme: Scheme) -> Result<(), RemoteError> {
        let url = format!("https://localhost:{}/EWS", self.port);
        let settings = Settings::new(url, scheme.sign_in("a", "b".into()), Arc::new(TestClock::default()));
        let client = EwsClient::new(Settings { reach: reach.clone(), ..settings })?;
        client.item_changes(&FolderId::new("f"), None, 10).await.map(drop)
    }

    /// Both ways to connect must trust alike. The server has no handshake to offer: that it is asked for one must do.
    async fn is_trusted(&self, reach: &Reach) {
        self.ask(reach, Scheme::Basic).await.unwrap();
        let requests = self.requests.load(Ordering::SeqCst);
        let _ = self.ask(reach, Scheme::Ntlm).await;
        assert!(self.requests.load(Ordering::SeqCst) > requests);
    }

    /// Neither way to connect may send anything.
    async fn is_not_trusted(&self, reach: &Reach, words: &str) {
        for scheme in [Scheme::Basic, Scheme::Ntlm] {
            let (connections, requests) =
                (self.connections.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst));
            let error = self.ask(reach, scheme).await.unwrap_err();
            let is_told = error.to_string().contains(words);
            assert!(matches!(&error, RemoteError::Untrusted { .. }) && is_told, "{error}");
            assert_eq!(self.requests.load(Ordering::SeqCst), requests, "{scheme}: a request went through");
            let tried = self.connections.load(Ordering::SeqCst) - connections;
            assert_eq!(tried, 1, "{scheme}: a certificate gets no better by trying again");
        }
    }
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn naming(authority: &Authority, folder: &Path) -> Reach {
    Reach { ca_file: Some(file(folder, "ca.pem", &authority.pem())), ..Reach::default() }
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (authority(), authority());
    let server = Server::new(&Pair::signed("localhost", &own, |_| ()), None).await;
    server.is_trusted(&naming(&own, folder.path())).await;
    server.is_not_trusted(&naming(&other, folder.path()), "--ca-file").await;
    let named = |path: PathBuf| Reach { ca_file: Some(path), ..Reach::default() };
    let empty = server.ask(&named(file(folder.path(), "empty.pem", "nothing")), Scheme::Basic).await;
    assert!(matches!(empty, Err(RemoteError::Refused { .. })));
    let missing = server.ask(&named(folder.path().join("missing")), Scheme::Basic).await;
    assert!(matches!(missing, Err(RemoteError::Io(_))));
}

#[tokio::test]
async fn another_name_and_another_time_are_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let own = authority();
    let reach = naming(&own, folder.path());
    let wrong = Server::new(&Pair::signed("mail.example.org", &own, |_| ()), None).await;
    wrong.is_not_trusted(&reach, "not valid for name").await;
    let expired = Pair::signed("localhost", &own, |params| params.not_after = date_time_ymd(2020, 1, 1));
    Server::new(&expired, None).await.is_not_trusted(&reach, "expired").await;
    let early = Pair::signed("localhost", &own, |params| params.not_before = date_time_ymd(2090, 1, 1));
    Server::new(&early, None).await.is_not_trusted(&reach, "not valid yet").await;
}

#[tokio::test]
async fn a_pinned_certificate_is_the_only_one() {
    let own = authority();
    let right = Pair::signed("another.name", &own, |params| params.not_after = date_time_ymd(2020, 1, 1));
    let pinned = Reach { pin: Some(Pin::of(&right.certificate)), ..Reach::default() };
    Server::new(&right, None).await.is_trusted(&pinned).await;
    let other = Pair::signed("localhost", &own, |_| ());
    let words = format!("not the pinned one, but {}", Pin::of(&other.certificate));
    Server::new(&other, None).await.is_not_trusted(&pinned, &words).await;
}

#[tokio::test]
async fn a_certificate_that_calls_itself_an_authority_can_be_pinned_and_its_error_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::self_signed(IsCa::Ca(BasicConstraints::Unconstrained));
    let pin = Pin::of(&pair.certificate);
    let server = Server::new(&pair, None).await;
    let named = Reach { ca_file: Some(file(folder.path(), "own.pem", &pair.pem)), ..Reach::default() };
    server.is_not_trusted(&named, &format!("--pin {pin}")).await;
    server.is_trusted(&Reach { pin: Some(pin), ..Reach::default() }).await;
    // One that does not is trusted either way.
    let pair = Pair::self_signed(IsCa::ExplicitNoCa);
    let named = Reach { ca_file: Some(file(folder.path(), "plain.pem", &pair.pem)), ..Reach::default() };
    Server::new(&pair, None).await.is_trusted(&named).await;
}

#[tokio::test]
async fn who_copies_a_pinned_certificate_has_not_its_key() {
    let own = authority();
    let right = Pair::signed("localhost", &own, |_| ());
    let pinned = Reach { pin: Some(Pin::of(&right.certificate)), ..Reach::default() };
    let thief = Pair { certificate: right.certificate, ..Pair::signed("localhost", &own, |_| ()) };
    let server = Server::new(&thief, None).await;
    for scheme in [Scheme::Basic, Scheme::Ntlm] {
        assert!(server.ask(&pinned, scheme).await.is_err());
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let (own, clients) = (authority(), authority());
    let server = Server::new(&Pair::signed("localhost", &own, |_| ()), Some(&clients)).await;
    let me = Pair::signed("anna", &clients, |_| ());
    let with = |text: &str| Reach {
        client_certificate: Some(file(folder.path(), "me.pem", text)),
        ..naming(&own, folder.path())
    };
    server.is_trusted(&with(&me.pem)).await;
    let requests = server.requests.load(Ordering::SeqCst);
    assert!(server.ask(&naming(&own, folder.path()), Scheme::Basic).await.is_err());
    assert_eq!(server.requests.load(Ordering::SeqCst), requests);
    let keyless = me.pem.split("-----BEGIN PRIVATE KEY").next().unwrap().to_owned();
    let error = server.ask(&with(&keyless), Scheme::Basic).await.unwrap_err();
    assert!(matches!(&error, RemoteError::Refused { code, .. } if code == "--client-certificate"), "{error}");
}

/// A proxy by SOCKS version 5 (RFC 1928), without a sign-in. Notes the names that it is asked for; all lead to `to`.
async fn socks(to: u16) -> (SocketAddr, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let notes = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let notes = notes.clone();
            tokio::spawn(async move {
                let mut greeting = [0; 2];
                client.read_exact(&mut greeting).await.unwrap();
                client.read_exact(&mut vec![0; greeting[1].into()]).await.unwrap();
                client.write_all(&[5, 0]).await.unwrap();
                let mut request = [0; 5];
                client.read_exact(&mut request).await.unwrap();
                assert_eq!(request[..4], [5, 1, 0, 3], "a name, for the proxy to look up");
                let mut name = vec![0; usize::from(request[4]) + 2];
                client.read_exact(&mut name).await.unwrap();
                notes.lock().unwrap().push(String::from_utf8_lossy(&name[..name.len() - 2]).into_owned());
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, asked)
}

#[tokio::test]
async fn a_proxy_looks_the_name_up_and_sees_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let own = authority();
    let server = Server::new(&Pair::signed("mail.behind.example", &own, |_| ()), None).await;
    let (address, asked) = socks(server.port).await;
    let proxy = Some(format!("socks5h://{address}").parse().unwrap());
    let reach = Reach { proxy, ..naming(&own, folder.path()) };
    for scheme in [Scheme::Basic, Scheme::Ntlm] {
        let url = "https://mail.behind.example/EWS";
        let settings = Settings::new(url, scheme.sign_in("a", "b".into()), Arc::new(TestClock::default()));
        let client = EwsClient::new(Settings { reach: reach.clone(), ..settings }).unwrap();
        // The server answers without asking for a sign-in, and closes: enough of a handshake to see that it was reached.
        let _ = client.item_changes(&FolderId::new("f"), None, 10).await;
        let names = std::mem::take(&mut *asked.lock().unwrap());
        assert!(!names.is_empty() && names.iter().all(|name| name == "mail.behind.example"), "{scheme}: {names:?}");
    }
    assert!(server.requests.load(Ordering::SeqCst) >= 2);
}
