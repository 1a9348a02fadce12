//! Signing in: by what the server offers, once for a connection, bound to it, and never again once it was refused.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::canned::{Canned, whole};
use crate::house::*;
use pimsync::exchange::{Action, NewMessage, Options, Rule, Server, Way};
use pimsync::pim::{FolderId, ItemId};
use pimsync::remote::auth::{Offered, Scheme, SignIn};
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::remote::reach::Reach;
use pimsync::remote::{RemoteError, RemoteRead, RemoteWrite};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

const USER: &str = "demo@example.org";

fn server(ways: &[Way]) -> Server {
    Server::start(Options { ways: ways.to_vec(), ..Options::default() }).unwrap()
}

fn client_of(url: String, sign_in: Box<dyn SignIn>, ca_file: Option<PathBuf>) -> EwsClient {
    let reach = Reach { ca_file, ..Reach::default() };
    EwsClient::new(Settings { reach, ..Settings::new(url, sign_in, Arc::new(TestClock::default())) }).unwrap()
}

fn client(server: &Server, scheme: Scheme) -> EwsClient {
    client_of(server.url(), scheme.sign_in(USER, "demo".into()), None)
}

/// How many requests came without a sign-in that holds: the beginnings of handshakes, and refusals.
fn unsigned(server: &Server) -> usize {
    server.requests().iter().filter(|request| request.status == 401).count()
}

#[tokio::test]
async fn one_handshake_serves_a_whole_session() {
    for (way, scheme) in [(Way::Ntlm, Scheme::Ntlm), (Way::Negotiate, Scheme::Negotiate)] {
        let server = server(&[way]);
        let mailbox = server.mailbox(USER).unwrap();
        let long = mime(&"long ".repeat(20_000));
        let inbox = FolderId::new(mailbox.folder("Inbox").unwrap());
        let id = mailbox.add_message("Inbox", NewMessage { mime: &long, ..NewMessage::default() }).unwrap();
        let client = client(&server, scheme);
        client.special_folders().await.unwrap();
        let mut bodies = Bodies::default();
        all_ok(client.bodies(&[(ItemId::new(id), 1)], &mut bodies).await.unwrap());
        assert!(bodies.text(0).contains("long long"), "the answer came packed");
        let large = InMemory(mime(&"x".repeat(300_000)));
        all_ok(client.create_messages(&inbox, &[upload(1, &large)]).await.unwrap());
        assert_eq!(mailbox.items("Inbox").unwrap().len(), 2);
        assert_eq!(unsigned(&server), 1, "{scheme}: {:?}", server.requests());
        assert_eq!(client.scheme(), Some(scheme));
    }
}

#[tokio::test]
async fn the_name_may_be_that_of_the_domain() {
    let server = server(&[Way::Ntlm]);
    let client = client_of(server.url(), Scheme::Ntlm.sign_in("EXAMPLE\\demo", "demo".into()), None);
    client.special_folders().await.unwrap();
}

#[tokio::test]
async fn what_the_server_offers_is_taken() {
    for (ways, taken) in [
        (&[Way::Basic, Way::Negotiate, Way::Ntlm][..], Scheme::Ntlm),
        (&[Way::Basic, Way::Negotiate], Scheme::Negotiate),
        (&[Way::Basic], Scheme::Basic),
    ] {
        let server = server(ways);
        let client = client_of(server.url(), Box::new(Offered::new(USER, "demo".into())), None);
        assert_eq!(client.scheme(), None);
        client.special_folders().await.unwrap();
        client.special_folders().await.unwrap();
        assert_eq!(client.scheme(), Some(taken));
        let asked = 1 + usize::from(taken != Scheme::Basic);
        assert_eq!(unsigned(&server), asked, "it is asked once, and a handshake begins once");
    }
}

#[tokio::test]
async fn a_refused_password_is_tried_once_however_many_ask() {
    for (way, scheme) in [(Way::Basic, Scheme::Basic), (Way::Ntlm, Scheme::Ntlm), (Way::Negotiate, Scheme::Negotiate)] {
        let server = server(&[way]);
        let client = client_of(server.url(), scheme.sign_in(USER, "wrong-secret".into()), None);
        for _ in 0..3 {
            let error = client.special_folders().await.unwrap_err();
            assert!(matches!(&error, RemoteError::SignInRefused { scheme: by, .. } if *by == scheme), "{error}");
            assert!(!format!("{error:?}").contains("wrong-secret"));
        }
        let handshakes = usize::from(scheme != Scheme::Basic);
        assert_eq!(unsigned(&server), 1 + handshakes, "{scheme}: accounts are locked after a few tries");
    }
}

#[tokio::test]
async fn the_password_goes_to_no_server_that_offers_only_what_is_unknown() {
    let answer = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer client_id=\"x\"\r\nWWW-Authenticate: Digest realm=\"y, Basic\"\r\nContent-Length: 0\r\n\r\n";
    let canned = Canned::with(move |_| whole(answer.to_vec()));
    let client = client_of(canned.url(), Box::new(Offered::new(USER, "sesame".into())), None);
    let error = client.special_folders().await.unwrap_err();
    assert!(
        matches!(&error, RemoteError::NoSignIn { offered, wanted: None, .. } if offered == &["Bearer", "Digest"]),
        "{error}"
    );
    assert!(error.to_string().contains("it offers Bearer, Digest"), "{error}");
    let requests = canned.requests.lock().unwrap();
    assert!(requests.len() == 1 && !requests[0].to_ascii_lowercase().contains("authorization"), "{requests:?}");
}

#[tokio::test]
async fn a_way_that_is_not_offered_is_told() {
    let server = server(&[Way::Basic]);
    let error = client(&server, Scheme::Ntlm).special_folders().await.unwrap_err();
    assert!(matches!(error, RemoteError::NoSignIn { wanted: Some(Scheme::Ntlm), .. }), "{error}");
    assert_eq!(error.to_string(), "the server at 127.0.0.1 does not let anybody sign in by NTLM: it offers Basic");
}

#[tokio::test]
async fn a_server_that_forgets_who_signed_in_is_told_again() {
    let server = server(&[Way::Ntlm]);
    let client = client(&server, Scheme::Ntlm);
    client.special_folders().await.unwrap();
    server.faults().add(Rule::always(Action::Unauthorized401).times(1));
    client.special_folders().await.unwrap();
    client.special_folders().await.unwrap();
    let handshakes = server.requests().iter().filter(|request| request.operation.is_empty()).count();
    assert_eq!(handshakes, 3, "from then on no connection is believed to remember: {:?}", server.requests());
}

#[tokio::test]
async fn connections_do_not_mix_handshakes_up() {
    let server = server(&[Way::Ntlm]);
    let client = Arc::new(client(&server, Scheme::Ntlm));
    let asking: Vec<_> = (0..40)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.special_folders().await })
        })
        .collect();
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
    assert!(unsigned(&server) <= 4, "as many handshakes as there are connections at once: {}", unsigned(&server));
}

/// Takes a connection, passes so many bytes of what the server says on, and cuts it then; later ones are whole.
fn cut_after(server: &Server, answers: usize) -> (String, Arc<AtomicUsize>) {
    let behind = server.url().strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let taken = count.clone();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let is_first = taken.fetch_add(1, Ordering::SeqCst) == 0;
            let mut server = TcpStream::connect(&behind).unwrap();
            if !is_first {
                pass_on(client, server);
                continue;
            }
            for _ in 0..answers {
                let mut buffer = vec![0; 1 << 20];
                let length = client.read(&mut buffer).unwrap();
                server.write_all(&buffer[..length]).unwrap();
                let length = server.read(&mut buffer).unwrap();
                client.write_all(&buffer[..length]).unwrap();
            }
            // What comes next is read, and not answered.
            let _ = client.read(&mut [0; 1 << 16]);
        }
    });
    (format!("http://{address}/EWS/Exchange.asmx"), count)
}

fn pass_on(client: TcpStream, server: TcpStream) {
    for (mut from, mut to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_mid_handshake_is_no_refusal() {
    for answers in [0, 1] {
        let server = server(&[Way::Ntlm]);
        let (url, connections) = cut_after(&server, answers);
        let client = client_of(url, Scheme::Ntlm.sign_in(USER, "demo".into()), None);
        client.special_folders().await.unwrap();
        assert_eq!(connections.load(Ordering::SeqCst), 2);
    }
}

struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    ca_file: tempfile::NamedTempFile,
}

/// A certificate for localhost, and the file of who issued it.
fn identity() -> Identity {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let mut ca_file = tempfile::NamedTempFile::new().unwrap();
    ca_file.write_all(authority.pem().as_bytes()).unwrap();
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Identity { certificate: leaf.der().clone(), key: der, ca_file }
}

/// Ends TLS in front of a server.
async fn proxy(server: &Server, identity: &Identity) -> SocketAddr {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())
        .unwrap();
    let behind = server.url().strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = tokio::net::TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_handshake_is_bound_to_the_servers_certificate() {
    let (own, other) = (identity(), identity());
    for (way, scheme) in [(Way::Ntlm, Scheme::Ntlm), (Way::Negotiate, Scheme::Negotiate)] {
        // Extended Protection: the server knows its certificate, and takes no handshake that was begun with another.
        let certificate = Some(own.certificate.to_vec());
        let server = Server::start(Options { ways: vec![way], certificate, ..Options::default() }).unwrap();
        for (identity, is_bound) in [(&own, true), (&other, false)] {
            let address = proxy(&server, identity).await;
            let url = format!("https://localhost:{}/EWS/Exchange.asmx", address.port());
            let ca_file = Some(identity.ca_file.path().to_owned());
            let client = client_of(url, scheme.sign_in(USER, "demo".into()), ca_file);
            let result = client.special_folders().await;
            match is_bound {
                true => drop(result.unwrap()),
                false => assert!(matches!(result, Err(RemoteError::SignInRefused { .. })), "a man in the middle"),
            }
        }
        // What is not bound at all is not taken either.
        assert!(client(&server, scheme).special_folders().await.is_err());
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_sees_no_handshake() {
    let (own, other) = (identity(), identity());
    let server = server(&[Way::Ntlm]);
    let address = proxy(&server, &own).await;
    let url = format!("https://localhost:{}/EWS/Exchange.asmx", address.port());
    let ca_file = Some(other.ca_file.path().to_owned());
    for sign_in in [Scheme::Ntlm.sign_in(USER, "demo".into()), Box::new(Offered::new(USER, "demo".into()))] {
        let error = client_of(url.clone(), sign_in, ca_file.clone()).special_folders().await.unwrap_err();
        assert!(matches!(&error, RemoteError::Untrusted { .. }) && error.to_string().contains("--ca-file"), "{error}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_refusal_tells_how_far_the_clocks_are_apart() {
    for (ahead, hour) in [(0, 0), (3600, -3600)] {
        let server = server(&[Way::Ntlm]);
        let clock = Arc::new(TestClock::ahead(std::time::Duration::from_secs(ahead)));
        let sign_in = Scheme::Ntlm.sign_in(USER, "wrong".into());
        let client = EwsClient::new(Settings::new(server.url(), sign_in, clock)).unwrap();
        match client.special_folders().await.unwrap_err() {
            RemoteError::SignInRefused { ahead: Some(told), .. } => assert!((told - hour).abs() < 30, "{told}"),
            other => panic!("{other}"),
        }
    }
}
