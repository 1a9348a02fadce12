//! `pimsync setup` without a server's name: it is found, and nobody but the address's own servers sees the password on the way.
//!
//! The program reaches all hosts through a proxy that stands for the Internet here, and sees what goes over each wire.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::support::{ANNA, Machine, PASSWORD, Ran};
use assert_cmd::Command;
use pimsync::exchange::{Options, Personality, Server, User, Way};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const EWS: &str = "https://mail.example.org/EWS/Exchange.asmx";

/// What a host does.
#[derive(Clone)]
enum Host {
    /// It is the embedded Exchange.
    Exchange,
    /// It answers everything so.
    Says(String),
    /// The same, under a certificate that nobody trusts.
    Untrusted(String),
}

struct Internet {
    address: SocketAddr,
    authority: String,
    /// What each host was told, by its name.
    heard: Arc<Mutex<Vec<(String, String)>>>,
    _runtime: tokio::runtime::Runtime,
}

/// Hosts by their names.
type Hosts<'n> = Vec<(&'n str, Host)>;

/// What plain HTTP answers.
type Plain = Option<String>;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn acceptor(host: &str, authority: &Authority) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn redirect(to: &str) -> String {
    answer("302 Found", &format!("Location: {to}\r\n"), "")
}

impl Internet {
    /// Hosts that take HTTPS, and what plain HTTP answers; all others cannot be reached.
    fn new(behind: &Server, hosts: &[(&str, Host)], plain: Plain) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (trusted, untrusted) = (authority(), authority());
        let hosts: HashMap<String, (Host, TlsAcceptor)> = hosts
            .iter()
            .map(|(name, host)| {
                let by = if matches!(host, Host::Untrusted(_)) { &untrusted } else { &trusted };
                ((*name).to_owned(), (host.clone(), acceptor(name, by)))
            })
            .collect();
        let behind = behind.url().strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
        let heard: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let (ears, hosts) = (heard.clone(), Arc::new(hosts));
        runtime.spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (hosts, ears, behind, plain) = (hosts.clone(), ears.clone(), behind.clone(), plain.clone());
                tokio::spawn(async move {
                    let Some(request) = head(&mut client).await else { return };
                    let Some(to) = request.strip_prefix("CONNECT ") else {
                        ears.lock().unwrap().push(("http".to_owned(), request));
                        let answer = plain.unwrap_or_else(|| answer("404 Not Found", "", ""));
                        let _ = client.write_all(answer.as_bytes()).await;
                        return;
                    };
                    let name = to.split(':').next().unwrap().to_owned();
                    let Some((host, acceptor)) = hosts.get(&name) else {
                        let _ = client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
                        return;
                    };
                    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    let Ok(client) = acceptor.accept(client).await else { return };
                    serve(client, &name, host, &behind, &ears).await;
                });
            }
        });
        Self { address, authority: trusted.pem(), heard, _runtime: runtime }
    }

    fn command(&self, machine: &Machine) -> Command {
        fs::write(machine.home.path().join("ca.pem"), &self.authority).unwrap();
        let mut command = machine.command();
        let proxy = format!("http://{}", self.address);
        command.env("HTTPS_PROXY", &proxy).env("HTTP_PROXY", &proxy).env_remove("NO_PROXY").env_remove("no_proxy");
        command
    }

    fn setup(&self, machine: &Machine, more: &[&str]) -> Ran {
        let mut command = self.command(machine);
        command.args([
            "setup",
            ANNA,
            "--password-file",
            "password",
            "--non-interactive",
            "--no-sync",
            "--ca-file",
            "ca.pem",
        ]);
        command.args(more).output().unwrap().into()
    }

    /// The hosts that were shown a sign-in of any kind.
    fn shown(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let mut hosts: Vec<String> = heard
            .iter()
            .filter(|(_, said)| said.to_ascii_lowercase().contains("authorization:") || said.contains(PASSWORD))
            .map(|(host, _)| host.clone())
            .collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(bytes).ok()
}

async fn serve(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    name: &str,
    host: &Host,
    behind: &str,
    ears: &Mutex<Vec<(String, String)>>,
) {
    let note = |said: &[u8]| {
        ears.lock().unwrap().push((name.to_owned(), String::from_utf8_lossy(said).into_owned()));
    };
    match host {
        Host::Exchange => {
            let mut server = TcpStream::connect(behind).await.unwrap();
            let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
            loop {
                tokio::select! {
                    read = client.read(&mut up) => {
                        let Ok(length @ 1..) = read else { return };
                        note(&up[..length]);
                        if server.write_all(&up[..length]).await.is_err() { return }
                    }
                    read = server.read(&mut down) => {
                        let Ok(length @ 1..) = read else { return };
                        if client.write_all(&down[..length]).await.is_err() { return }
                    }
                }
            }
        }
        Host::Says(answer) | Host::Untrusted(answer) => {
            if let Some(request) = head(&mut client).await {
                note(request.as_bytes());
                let _ = client.write_all(answer.as_bytes()).await;
                let _ = client.shutdown().await;
            }
        }
    }
}

fn exchange(ways: &[Way], like: Personality) -> Server {
    let users = vec![User { address: ANNA.to_owned(), password: PASSWORD.to_owned() }];
    let public_url = Some(EWS.to_owned());
    Server::start(Options { users, ways: ways.to_vec(), like, public_url, ..Options::default() }).unwrap()
}

fn config(machine: &Machine) -> String {
    fs::read_to_string(machine.config()).unwrap()
}

#[test]
fn an_address_is_all_that_it_takes() {
    let machine = Machine::new();
    let server = exchange(&[Way::Negotiate, Way::Ntlm, Way::Basic], Personality::Exchange);
    let hosts = [("autodiscover.example.org", Host::Exchange), ("mail.example.org", Host::Exchange)];
    let internet = Internet::new(&server, &hosts, None);
    internet.setup(&machine, &[]).expect_code(0);
    assert!(config(&machine).contains(&format!("server = \"{EWS}\"\n")), "{}", config(&machine));
    assert!(config(&machine).contains("auth = \"ntlm\"\n"));
    assert_eq!(internet.shown(), ["mail.example.org"], "JSON tells it without a password");
    // It is kept: the next run asks nobody.
    internet.heard.lock().unwrap().clear();
    let ran: Ran = internet.command(&machine).arg("sync").output().unwrap().into();
    ran.expect_code(0);
    assert!(internet.heard.lock().unwrap().iter().all(|(host, _)| host == "mail.example.org"));
    internet.setup(&machine, &[]).expect_code(0).expect_out("nothing was changed");
}

#[test]
fn servers_without_json_are_asked_in_the_older_ways() {
    let page = answer("200 OK", "Content-Type: text/html\r\n", "<html><body><br>Sign in & go</body></html>");
    for (way, like) in [(Way::Ntlm, Personality::Exchange), (Way::Basic, Personality::Gromox)] {
        let machine = Machine::new();
        let server = exchange(&[way], like);
        // The domain's own web server has a login page for everything.
        let hosts = [
            ("example.org", Host::Says(page.clone())),
            (
                "autodiscover.example.org",
                Host::Says(redirect("https://mail.example.org/autodiscover/autodiscover.xml")),
            ),
            ("mail.example.org", Host::Exchange),
        ];
        let internet = Internet::new(&server, &hosts, None);
        let explained = internet.setup(&machine, &["--explain"]).expect_code(0);
        let explained = explained.expect_out("a web page").expect_out("sends to https://mail.example.org/autodiscover");
        assert!(explained.out.contains(&format!("Server: {EWS}")), "{}", explained.out);
        assert!(!machine.root().exists(), "nothing is written by an explanation");
        internet.setup(&machine, &[]).expect_code(0);
        assert_eq!(internet.shown(), ["mail.example.org"]);
    }
}

#[test]
fn a_hostile_redirect_sees_no_password() {
    let server = exchange(&[Way::Basic], Personality::Exchange);
    let door = answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"mail\"\r\n", "");
    let evil = "https://autodiscover.example.org.evil.example/autodiscover/autodiscover.xml";
    let host = "autodiscover.example.org.evil.example";
    let ways: [(&str, Hosts<'_>, Plain); 3] = [
        ("over plain HTTP", vec![(host, Host::Says(door.clone()))], Some(redirect(evil))),
        (
            "over HTTPS",
            vec![("autodiscover.example.org", Host::Says(redirect(evil))), (host, Host::Says(door.clone()))],
            None,
        ),
        (
            "in an answer",
            vec![
                ("example.org", Host::Says(answer("200 OK", "", &format!("{{\"Url\":\"{evil}\"}}")))),
                (host, Host::Says(door)),
            ],
            None,
        ),
    ];
    for (what, hosts, plain) in ways {
        let machine = Machine::new();
        let internet = Internet::new(&server, &hosts, plain);
        let ran = internet.setup(&machine, &[]).expect_code(2).expect_err("--allow-redirect").expect_err(host);
        assert!(!ran.err.contains(PASSWORD) && !machine.root().exists(), "{what}");
        assert_eq!(internet.shown(), [""; 0], "{what}");
        assert!(!internet.heard.lock().unwrap().is_empty());
    }
}

#[test]
fn a_providers_host_is_used_after_a_yes() {
    let machine = Machine::new();
    let server = exchange(&[Way::Ntlm], Personality::Exchange);
    let hosts = [("autodiscover.hoster.example", Host::Exchange), ("mail.example.org", Host::Exchange)];
    let to = redirect("https://autodiscover.hoster.example/autodiscover/autodiscover.xml");
    let internet = Internet::new(&server, &hosts, Some(to));
    internet.setup(&machine, &[]).expect_code(2);
    assert_eq!(internet.shown(), [""; 0]);
    internet.setup(&machine, &["--allow-redirect", "autodiscover.hoster.example"]).expect_code(0);
    assert_eq!(internet.shown(), ["autodiscover.hoster.example", "mail.example.org"]);
}

#[test]
fn a_certificate_that_is_not_trusted_ends_it_without_a_password() {
    let machine = Machine::new();
    let server = exchange(&[Way::Basic], Personality::Exchange);
    let door = answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"mail\"\r\n", "");
    let hosts = [("autodiscover.example.org", Host::Untrusted(door))];
    let internet = Internet::new(&server, &hosts, None);
    let ran = internet.setup(&machine, &[]).expect_code(7).expect_err("autodiscover.example.org is not trusted");
    ran.expect_err("--ca-file");
    assert!(internet.heard.lock().unwrap().iter().all(|(host, _)| host == "http"), "no request went through");
}

#[test]
fn no_server_is_told_with_what_was_tried() {
    let machine = Machine::new();
    let server = exchange(&[Way::Basic], Personality::Exchange);
    let internet = Internet::new(&server, &[], None);
    internet.setup(&machine, &[]).expect_code(6).expect_err("no Exchange server was found").expect_err("--server");
    assert!(!machine.root().exists());
    let explained: serde_json::Value = internet.setup(&machine, &["--explain", "--json"]).expect_code(6).json();
    let ways: Vec<&str> =
        explained["attempts"].as_array().unwrap().iter().map(|attempt| attempt["way"].as_str().unwrap()).collect();
    assert_eq!(ways, ["json", "json", "soap", "pox", "soap", "pox", "redirect", "srv"]);
    assert_eq!(explained["server"], serde_json::Value::Null);
}

#[test]
fn a_wrong_password_is_no_missing_server() {
    let machine = Machine::new();
    let server = exchange(&[Way::Ntlm], Personality::Gromox);
    let internet = Internet::new(&server, &[("example.org", Host::Exchange)], None);
    // An address that JSON does not know has to be asked about by who signs in.
    fs::write(machine.home.path().join("password"), "wrong\n").unwrap();
    let mut command = internet.command(&machine);
    let arguments =
        ["setup", "ben@example.org", "--password-file", "password", "--non-interactive", "--ca-file", "ca.pem"];
    let ran: Ran = command.args(arguments).output().unwrap().into();
    ran.expect_code(4).expect_err("refused the sign-in of ben@example.org by NTLM");
}

#[test]
fn doctor_tells_of_a_server_that_has_moved() {
    let machine = Machine::new();
    let server = exchange(&[Way::Ntlm], Personality::Exchange);
    let hosts = ["autodiscover.example.org", "mail.example.org", "old.example.org"].map(|host| (host, Host::Exchange));
    let internet = Internet::new(&server, &hosts, None);
    internet.setup(&machine, &[]).expect_code(0);
    let doctor = || -> Ran { internet.command(&machine).arg("doctor").output().unwrap().into() };
    doctor().expect_code(0).expect_out("it leads to mail.example.org, too");
    fs::write(machine.config(), config(&machine).replace("mail.example.org", "old.example.org")).unwrap();
    doctor().expect_code(3).expect_out("it leads to https://mail.example.org/EWS/Exchange.asmx").expect_out("--server");
    // Where the sign-in is refused it is not tried again elsewhere.
    fs::write(machine.root().join("Secrets/Main").join(ANNA), "wrong\n").unwrap();
    internet.heard.lock().unwrap().clear();
    doctor().expect_code(4);
    assert_eq!(internet.shown(), ["old.example.org"]);
}
