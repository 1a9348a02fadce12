//! Private certificate authorities: trusted when they are named, and only then.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::house::TestClock;
use pimsync::pim::FolderId;
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::remote::{RemoteError, RemoteRead};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

const ANSWER: &str = "<Envelope><Body><R><ResponseMessages><M ResponseClass='Success'><SyncState>s</SyncState></M></ResponseMessages></R></Body></Envelope>";

/// A certificate for localhost, its key, and the PEM of who issued it.
fn certificates() -> (CertificateDer<'static>, PrivateKeyDer<'static>, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    (leaf.der().clone(), der, authority.pem())
}

async fn serve(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> (SocketAddr, Arc<AtomicUsize>) {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request).await;
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{ANSWER}", ANSWER.len());
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, connections)
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_named() {
    let (certificate, key, pem) = certificates();
    let (address, connections) = serve(certificate, key).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let settings = |ca_file| Settings {
        ca_file,
        ..Settings::new(
            format!("https://localhost:{}/EWS", address.port()),
            Box::new(Basic::new("a", "b".into())),
            Arc::new(TestClock::default()),
        )
    };
    let named = EwsClient::new(settings(Some(ca_file))).unwrap();
    named.item_changes(&FolderId::new("f"), None, 10).await.unwrap();
    connections.store(0, Ordering::SeqCst);
    // Where the system has no certificates at all, the client cannot even be made.
    if let Ok(stranger) = EwsClient::new(settings(None)) {
        let error = stranger.item_changes(&FolderId::new("f"), None, 10).await.unwrap_err();
        assert!(matches!(&error, RemoteError::Unreachable { reason, .. } if reason.contains("--ca-file")), "{error}");
        assert_eq!(connections.load(Ordering::SeqCst), 1, "a certificate gets no better by trying again");
    }
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    assert!(matches!(EwsClient::new(settings(Some(empty))), Err(RemoteError::Refused { .. })));
    assert!(matches!(EwsClient::new(settings(Some(folder.path().join("missing")))), Err(RemoteError::Io(_))));
}
