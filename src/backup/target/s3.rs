//! The way to a bucket of an S3-compatible store: what the environment says, our own HTTP client, and credentials that a command may give.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};
use object_store::client::{
    ClientOptions, CredentialProvider, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::path::Path as Key;
use object_store::{Error, HeaderMap, HeaderValue};
use serde::Deserialize;
use tokio::runtime::Handle;
use url::Url;
use zeroize::Zeroizing;

use super::objects::Bucket;
use super::{Keys, Location, LocationError, Target};
use crate::clock::Clock;
use crate::identity::{SecretError, secret_output};

/// The command that prints credentials, as `credential_process` of the AWS tools does.
const COMMAND: &str = "PIMSYNC_S3_CREDENTIALS_COMMAND";

/// Variables of which one must be there unless the command is: all ways to credentials that take no guessing.
const CREDENTIALS: [&str; 4] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// Credentials that end within this time are got anew.
const SPARE_SECONDS: i64 = 300;

/// How targets are reached.
#[derive(Clone)]
pub struct Access {
    /// The environment's variables.
    pub variables: Vec<(String, String)>,
    /// What requests run on.
    pub runtime: Handle,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// What opens encrypted archives.
    pub keys: Keys,
}

/// Why a bucket cannot be reached with what the environment says. Never tells a secret.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The URL is none.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// No object can lie there.
    #[error("no archive can lie in {location}: {reason}")]
    Prefix {
        /// The target.
        location: Location,
        /// Why not.
        reason: String,
    },
    /// There are no credentials.
    #[error(
        "there are no credentials for {location}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or {COMMAND} to a command that prints them \
         (such as aws configure export-credentials --format process)"
    )]
    NoCredentials {
        /// The target.
        location: Location,
    },
    /// The end point is not one that mail may be sent to.
    #[error("AWS_ENDPOINT_URL is {endpoint}: backups are sent over https only, or to this machine")]
    Endpoint {
        /// The URL.
        endpoint: String,
    },
    /// A file with certificates cannot be used.
    #[error("AWS_CA_BUNDLE names {}, which cannot be used: {reason}", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A variable makes no sense.
    #[error("what the variables AWS_… say cannot be used: {0}")]
    Settings(String),
}

impl Target {
    /// Opens a target: a directory, or what an URL `s3://BUCKET/PREFIX` names. No request is made.
    ///
    /// # Errors
    /// What is wrong with the URL or the environment.
    pub fn open(at: &Path, access: &Access) -> Result<Self, AccessError> {
        let location = Location::from(at);
        let (bucket, prefix) = match location.bucket_and_key() {
            None => return Ok(Self { keys: access.keys.clone(), ..Self::directory(at) }),
            Some(parts) => parts?,
        };
        let prefix = Key::parse(prefix)
            .map_err(|error| AccessError::Prefix { location: location.clone(), reason: error.to_string() })?;
        let way = Way::new(&location, bucket, access)?;
        let store = Arc::new(way.connect(None)?);
        let closing = Arc::new(way.connect(Some(only_new()))?);
        let bucket = Bucket { parts: store.clone(), store, closing, prefix, runtime: access.runtime.clone() };
        Ok(Self { location, store: Arc::new(bucket), keys: access.keys.clone() })
    }
}

/// RFC 9110 §13.1.2: nothing may be there yet.
fn only_new() -> HeaderMap {
    HeaderMap::from_iter([(reqwest::header::IF_NONE_MATCH, HeaderValue::from_static("*"))])
}

/// What a bucket is reached by.
struct Way<'a> {
    access: &'a Access,
    bucket: &'a str,
    endpoint: Option<String>,
    client: Client,
    credentials: Option<Arc<Printed>>,
}

impl<'a> Way<'a> {
    fn new(location: &Location, bucket: &'a str, access: &'a Access) -> Result<Self, AccessError> {
        let variable = |name: &str| {
            let found = access.variables.iter().find(|(variable, _)| variable == name);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let command = variable(COMMAND);
        if command.is_none() && CREDENTIALS.into_iter().all(|name| variable(name).is_none()) {
            return Err(AccessError::NoCredentials { location: location.clone() });
        }
        let endpoint = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
        let endpoint = endpoint.or_else(|| variable("AWS_ENDPOINT"));
        endpoint.map_or(Ok(()), check_endpoint)?;
        let roots = variable("AWS_CA_BUNDLE").map(Path::new).map(read_roots).transpose()?.unwrap_or_default();
        let client = Client::new(endpoint, roots)?;
        let printed = |command: &str| Arc::new(Printed::new(command, access.clock.clone()));
        Ok(Self { access, bucket, endpoint: endpoint.map(str::to_owned), client, credentials: command.map(printed) })
    }

    fn connect(&self, headers: Option<HeaderMap>) -> Result<AmazonS3, AccessError> {
        let mut builder = AmazonS3Builder::new();
        for (name, value) in self.access.variables.iter().filter(|(name, _)| name.starts_with("AWS_")) {
            if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
        }
        let headers = headers.unwrap_or_default();
        let plain = self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let options = ClientOptions::new().with_default_headers(headers).with_allow_http(plain);
        builder =
            builder.with_bucket_name(self.bucket).with_client_options(options).with_http_connector(self.client.clone());
        if let Some(credentials) = &self.credentials {
            builder = builder.with_credentials(credentials.clone());
        }
        builder.build().map_err(|error| AccessError::Settings(error.to_string()))
    }
}

/// Mail goes over TLS, or stays on this machine.
fn check_endpoint(endpoint: &str) -> Result<(), AccessError> {
    let bad = || AccessError::Endpoint { endpoint: endpoint.to_owned() };
    let url = Url::parse(endpoint).map_err(|_| bad())?;
    let host = url.host_str().ok_or_else(bad)?;
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(host) => Ok(()),
        _ => Err(bad()),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn read_roots(path: &Path) -> Result<Vec<reqwest::Certificate>, AccessError> {
    let bad = |reason: String| AccessError::Roots { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| bad(error.to_string()))?;
    if roots.is_empty() { Err(bad("it has no certificates".to_owned())) } else { Ok(roots) }
}

/// Our HTTP client, lent to the object store: one TLS library, and no HTTP/2.
#[derive(Clone, Debug)]
struct Client(reqwest::Client);

impl Client {
    fn new(endpoint: Option<&str>, roots: Vec<reqwest::Certificate>) -> Result<Self, AccessError> {
        // Fails only if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .user_agent(concat!("pimsync/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(30))
            .read_timeout(Duration::from_secs(60))
            .http1_only()
            .retry(reqwest::retry::never());
        // The system's certificates are not needed for this machine, and may be missing there.
        let builder = match endpoint {
            Some(endpoint) if endpoint.starts_with("http://") => builder.tls_certs_only(Vec::new()).no_proxy(),
            _ => builder.tls_certs_merge(roots),
        };
        builder.build().map(Self).map_err(|error| AccessError::Settings(error.to_string()))
    }
}

impl HttpConnector for Client {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(reqwest::Body::wrap(body));
        let response = self.0.execute(request).await.map_err(http_error)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = reqwest::Body::from(response).map_err(http_error);
        let mut answer = HttpResponse::new(HttpResponseBody::new(body));
        (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
        Ok(answer)
    }
}

fn http_error(error: reqwest::Error) -> HttpError {
    let kind = if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_decode() {
        HttpErrorKind::Decode
    } else {
        // It may have been heard: it is only tried again where that does no harm.
        HttpErrorKind::Interrupted
    };
    // What is asked for is told by others; a URL may hold a token.
    HttpError::new(kind, error.without_url())
}

/// Credentials that a command prints.
struct Printed {
    command: String,
    clock: Arc<dyn Clock>,
    got: tokio::sync::Mutex<Option<(Arc<AwsCredential>, Option<Timestamp>)>>,
}

/// What `credential_process` prints: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<Timestamp>,
}

#[derive(Debug, thiserror::Error)]
enum PrintedError {
    #[error(transparent)]
    Command(#[from] SecretError),
    #[error("{COMMAND} `{0}` does not print credentials as a credential_process of the AWS tools does")]
    Format(String),
}

impl Printed {
    fn new(command: &str, clock: Arc<dyn Clock>) -> Self {
        Self { command: command.to_owned(), clock, got: tokio::sync::Mutex::default() }
    }

    async fn run(&self) -> Result<Output, PrintedError> {
        let printed: Zeroizing<Vec<u8>> = secret_output(COMMAND, &self.command, &*self.clock).await?;
        // What it printed is told nowhere.
        serde_json::from_slice(&printed).map_err(|_| PrintedError::Format(self.command.clone()))
    }

    fn is_good(&self, until: Option<Timestamp>) -> bool {
        until.is_none_or(|until| until.as_second() - SPARE_SECONDS > self.clock.now().0)
    }
}

impl std::fmt::Debug for Printed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Printed").field("command", &self.command).finish_non_exhaustive()
    }
}

#[async_trait]
impl CredentialProvider for Printed {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut got = self.got.lock().await;
        if let Some((credential, until)) = got.as_ref()
            && self.is_good(*until)
        {
            return Ok(credential.clone());
        }
        let output = self.run().await.map_err(|error| Error::Generic { store: "S3", source: Box::new(error) })?;
        let credential = Arc::new(AwsCredential {
            key_id: output.access_key_id,
            secret_key: output.secret_access_key,
            token: output.session_token,
        });
        *got = Some((credential.clone(), output.expiration));
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::backup::{ArchiveName, Form};
    use crate::clock::SystemClock;
    use crate::pim::UnixTime;

    fn access(runtime: &tokio::runtime::Runtime, variables: &[(&str, &str)]) -> Access {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Access {
            variables,
            runtime: runtime.handle().clone(),
            clock: Arc::new(SystemClock::new()),
            keys: Keys::default(),
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    /// Hears so many requests, each with a connection of its own, and says what an S3 says to an upload. Answers their heads.
    fn hear(listener: &TcpListener, requests: usize) -> Vec<String> {
        (0..requests)
            .map(|_| {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    stream.read_line(&mut head).unwrap();
                }
                let head = head.to_ascii_lowercase();
                let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
                std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink()).unwrap();
                let (status, body) = if head.starts_with("head") {
                    ("404 Not Found", "")
                } else if head.contains("?uploads") {
                    ("200 OK", "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
                } else {
                    ("200 OK", "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nETag: \"x\"\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                head
            })
            .collect()
    }

    #[test]
    fn the_request_that_makes_an_object_must_not_replace_one_and_tells_no_secret() {
        for (length, requests, last) in [(100, 1, "put "), (9 << 20, 5, "post ")] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let server = std::thread::spawn(move || hear(&listener, requests));
            let runtime = runtime();
            let variables =
                [("AWS_ENDPOINT_URL", &*url), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "hush")];
            let target = Target::open(Path::new("s3://bucket/mail"), &access(&runtime, &variables)).unwrap();
            let name = ArchiveName { identity: "Main".to_owned(), created: UnixTime(0), number: 1, form: Form::Plain };
            let mut out = target.begin(&name, &std::env::temp_dir()).unwrap();
            out.write_all(&vec![7; length]).unwrap();
            out.finish().unwrap();
            let heard = server.join().unwrap();
            let closing = heard.last().unwrap();
            assert!(closing.starts_with(last) && closing.contains("\r\nif-none-match: *\r\n"), "{closing}");
            assert!(closing.contains("/bucket/mail/main-19700101t000000z-000001.tar.zst"), "{closing}");
            assert!(heard.iter().all(|head| !head.contains("hush")));
        }
    }

    #[test]
    fn what_the_environment_lacks_is_told_before_anything_is_asked() {
        let runtime = runtime();
        let open = |variables: &[(&str, &str)]| {
            Target::open(Path::new("s3://bucket"), &access(&runtime, variables)).map(drop).map_err(|e| e.to_string())
        };
        let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "hush")];
        let with = |name, value| [&keys[..], &[(name, value)]].concat();
        assert!(open(&[]).unwrap_err().contains("AWS_ACCESS_KEY_ID"));
        assert_eq!(open(&keys), Ok(()));
        assert_eq!(open(&[("PIMSYNC_S3_CREDENTIALS_COMMAND", "true")]), Ok(()));
        assert_eq!(open(&with("AWS_ENDPOINT_URL", "http://[::1]:9000")), Ok(()));
        for bad in ["http://storage.example.org", "http://127.0.0.1.example.org", "storage", "ftp://x"] {
            assert!(open(&with("AWS_ENDPOINT_URL", bad)).unwrap_err().contains("https"), "{bad}");
        }
        let odd = Target::open(Path::new("s3://bucket/a/../b"), &access(&runtime, &keys)).unwrap_err();
        assert!(odd.to_string().contains("s3://bucket/a/../b"), "{odd}");
        assert!(open(&with("AWS_CA_BUNDLE", "/nowhere")).unwrap_err().contains("/nowhere"));
        assert!(Target::open(Path::new("/a/directory"), &access(&runtime, &[])).is_ok());
    }
}
