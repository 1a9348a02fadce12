"""An Exchange server's front door that is not ours: HTTPS, and NTLM or Negotiate judged by pyspnego, in front of the embedded Exchange.

Each connection signs in on its own, as with IIS. Needs the packages pyspnego and cryptography.
"""

import base64
import datetime
import http.client
import http.server
import os
import ssl
import threading
import urllib.parse

import spnego
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from spnego._ntlm_raw.messages import Authenticate, AvFlags, AvId, NTClientChallengeV2
from spnego.channel_bindings import GssChannelBindings


class Certificates:
    """An authority, and certificates of it for localhost."""

    def __init__(self, home):
        self.home, self.key = home, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
        certificate = self.build(self.name, self.key.public_key(), True).sign(self.key, hashes.SHA256())
        self.file = home / "ca.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def build(self, name, key, is_authority):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
        return builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)

    def issue(self, hash_algorithm=hashes.SHA256(), rsa_padding=None):
        """A file with a new certificate and its key, and the hash that a channel is bound by (RFC 5929 §4.1)."""
        issuer, signs = self, {}
        if rsa_padding:
            issuer = Certificates.__new__(Certificates)
            issuer.key, issuer.name = rsa.generate_private_key(65537, 2048), self.name
            issuer.file = self.home / f"ca-{os.urandom(4).hex()}.pem"
            root = issuer.build(self.name, issuer.key.public_key(), True).sign(issuer.key, hashes.SHA256())
            issuer.file.write_bytes(root.public_bytes(serialization.Encoding.PEM))
            signs = {"rsa_padding": rsa_padding}
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self.build(x509.Name([]), key.public_key(), False)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
        certificate = builder.sign(issuer.key, hash_algorithm, **signs)
        file = self.home / f"{os.urandom(4).hex()}.pem"
        plain = serialization.NoEncryption()
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        )
        return file, issuer.file, certificate.fingerprint(certificate.signature_hash_algorithm)


class Acceptor(http.server.ThreadingHTTPServer):
    """Listens, and counts what it saw."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, behind, user, certificate, scheme, binding=None, cuts=(), forgets=False):
        super().__init__(("127.0.0.1", 0), Door)
        self.behind, self.user, self.scheme, self.binding, self.forgets = behind, user, scheme, binding, forgets
        # At which steps of the first connections these are cut off.
        self.cuts, self.lock = list(cuts), threading.Lock()
        self.connections = self.hellos = self.proofs = self.refused = self.requests = 0
        self.faults = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.server_address[1]}/EWS/Exchange.asmx"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def count(self, what):
        with self.lock:
            setattr(self, what, getattr(self, what) + 1)

    def handle_error(self, request, client_address):
        pass

    def stop(self):
        self.shutdown()
        self.server_close()


class Door(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        self.server.count("connections")
        super().setup()
        self.signed_in, self.context, self.cut = False, None, None
        with self.server.lock:
            if self.server.cuts:
                self.cut = self.server.cuts.pop(0)

    def log_message(self, *_):
        pass

    def cuts_off(self, step):
        if self.cut == step:
            self.close_connection = True
            self.connection.close()
            return True
        return False

    def do_POST(self):
        if "Content-Length" not in self.headers:
            self.server.faults.append("a request tells no length")
            return self.say(411)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = self.headers["Authorization"]
        if said and self.signed_in:
            self.server.faults.append("a connection signs in twice")
        if said:
            return self.shake_hands(said, body)
        return self.pass_on(body) if self.signed_in else self.say(401, [self.server.scheme])

    def shake_hands(self, said, body):
        scheme, _, token = said.partition(" ")
        if scheme != self.server.scheme:
            self.server.faults.append(f"a sign-in by {scheme}")
            return self.say(401, [self.server.scheme])
        token = base64.b64decode(token)
        begins = self.context is None
        self.server.count("hellos" if begins else "proofs")
        if self.cuts_off("hello" if begins else "proof"):
            return None
        if begins:
            bindings = self.server.binding and GssChannelBindings(application_data=b"tls-server-end-point:" + self.server.binding)
            self.context = spnego.server(protocol=self.server.scheme.lower(), channel_bindings=bindings)
            if body:
                self.server.faults.append("a body goes with the beginning of a handshake")
        try:
            answer = self.context.step(token)
            if not begins:
                self.inspect(token)
        except Exception as error:  # Whatever pyspnego raises is a refusal.
            self.server.count("refused")
            self.why, self.context = error, None
            return self.say(401, [self.server.scheme])
        if not self.context.complete:
            said = self.say(401, [f"{scheme} {base64.b64encode(answer).decode()}"])
            return None if self.cuts_off("challenge") else said
        self.signed_in = not self.server.forgets
        return self.pass_on(body, answer)

    def inspect(self, token):
        """What pyspnego lets pass and Exchange does not: a handshake bound to nothing, one without a MIC."""
        message = Authenticate.unpack(token[token.index(b"NTLMSSP\0") :])
        pairs = NTClientChallengeV2.unpack(message.nt_challenge_response[16:]).av_pairs
        if not any(pairs[AvId.channel_bindings]):
            raise ValueError("not bound to the channel")
        if not pairs[AvId.flags] & AvFlags.mic or not any(message.mic):
            raise ValueError("without MIC")
        if pairs[AvId.target_name] != "HTTP/localhost":
            raise ValueError(f"for {pairs[AvId.target_name]}")

    def pass_on(self, body, answer=None):
        self.server.count("requests")
        behind = urllib.parse.urlsplit(self.server.behind)
        connection = http.client.HTTPConnection(behind.netloc, timeout=60)
        secret = base64.b64encode(":".join(self.server.user).encode()).decode()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("authorization", "host")}
        connection.request("POST", behind.path, body, {**headers, "Authorization": f"Basic {secret}"})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "date"):
                self.send_header(name, value)
        if answer:
            self.send_header("WWW-Authenticate", f"{self.server.scheme} {base64.b64encode(answer).decode()}")
        if self.server.forgets:
            self.send_header("Persistent-Auth", "false")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def say(self, status, challenges=()):
        page = b"<html><body>no entry</body></html>"
        self.send_response(status)
        for challenge in challenges:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=padding.PSS.DIGEST_LENGTH)
PKCS1 = padding.PKCS1v15()
