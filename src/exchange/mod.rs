//! The embedded Exchange: a real HTTP/SOAP server on loopback over SQLite.
