//! A server with a certificate of its organisation's own authority, and one that somebody only pretends to be.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::support::{ANNA, Machine};
use pimsync::remote::reach::Pin;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Takes HTTPS for a server that speaks HTTP. Runs as long as the runtime lives.
struct Proxy {
    address: SocketAddr,
    authority: String,
    pin: Pin,
    _runtime: tokio::runtime::Runtime,
}

impl Proxy {
    fn start(machine: &Machine) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        let pin = Pin::of(certificate.der());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let url = machine.server.url();
        let behind = url.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut server = TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, authority: authority.pem(), pin, _runtime: runtime }
    }
}

#[test]
fn a_servers_own_authority_is_trusted_when_its_certificate_is_given() {
    let machine = Machine::new();
    machine.arrive("Inbox", "hello");
    let proxy = Proxy::start(&machine);
    let arguments = |more: &[&str]| -> Vec<String> {
        let mut arguments = machine.setup_arguments();
        arguments[3] = format!("https://{}", proxy.address);
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        arguments
    };
    machine.run(&arguments(&[])).expect_code(7).expect_err("certificate").expect_err("--ca-file");
    assert!(!machine.root().exists(), "nothing was written");

    fs::write(machine.home.path().join("ca.pem"), &proxy.authority).unwrap();
    machine.run(&arguments(&["--ca-file", "ca.pem"])).expect_code(0);
    // The file's path was made absolute: a later run can start anywhere.
    let ran: crate::support::Ran = machine.command().current_dir("/").arg("sync").output().unwrap().into();
    ran.expect_code(0).expect_out("1 downloaded");
    let text = fs::read_to_string(machine.config()).unwrap();
    assert!(text.contains(&machine.home.path().join("ca.pem").display().to_string()), "{text}");
    machine.run(&["setup", ANNA, "--non-interactive"]).expect_code(0).expect_out("nothing was changed");
}

#[test]
fn a_pinned_certificate_is_kept_and_another_is_never_taken() {
    let machine = Machine::new();
    let proxy = Proxy::start(&machine);
    let arguments = |pin: &str| -> Vec<String> {
        let mut arguments = machine.setup_arguments();
        arguments[3] = format!("https://{}", proxy.address);
        arguments.extend(["--pin".to_owned(), pin.to_owned()]);
        arguments
    };
    let other = Pin::of(b"another").to_string();
    let ran = machine.run(&arguments(&other)).expect_code(7).expect_err("not the pinned one");
    ran.expect_err(&proxy.pin.to_string());
    machine.run(&arguments("sha256:1234")).expect_code(2).expect_err("64 hexadecimal digits");
    assert!(!machine.root().exists(), "nothing was written");
    machine.run(&arguments(&proxy.pin.to_string())).expect_code(0);
    let text = fs::read_to_string(machine.config()).unwrap();
    assert!(text.contains(&format!("pin = \"{}\"", proxy.pin)), "{text}");
    machine.run(&["sync"]).expect_code(0);
    machine.run(&["setup", ANNA, "--non-interactive"]).expect_code(0).expect_out("nothing was changed");
}

#[test]
fn a_proxys_password_is_kept_out_of_the_settings() {
    let machine = Machine::new();
    let mut arguments = machine.setup_arguments();
    arguments.extend(["--proxy", "http://anna:hunter2@proxy.example.org:8080"].map(str::to_owned));
    let ran = machine.run(&arguments).expect_code(2).expect_err("HTTPS_PROXY");
    assert!(!machine.root().exists() && !ran.err.contains("hunter2"));
}
