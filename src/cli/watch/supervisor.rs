//! Tells whoever supervises the process how it stands: systemd by its notification socket (sd_notify(3)), others by a byte on a descriptor.

use std::io::{self, Write as _};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// systemd's end, if it is there.
pub(super) struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// As the environment says.
    pub(super) fn from_environment() -> Self {
        let socket = std::env::var("NOTIFY_SOCKET").ok().and_then(|name| {
            let address = address(&name).ok()?;
            Some((UnixDatagram::unbound().ok()?, address))
        });
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|limit| is_ours && *limit > 0).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Readiness is told, once.
    pub(super) fn ready(&self, descriptor: Option<u32>) -> io::Result<()> {
        if let Some(descriptor) = descriptor {
            // Opened anew by its path: a number alone cannot be trusted to be a descriptor.
            let mut end = std::fs::OpenOptions::new().write(true).open(format!("/dev/fd/{descriptor}"))?;
            end.write_all(b"\n")?;
        }
        self.tell("READY=1");
        Ok(())
    }

    /// A line for people.
    pub(super) fn status(&self, text: &str) {
        self.tell(&format!("STATUS={}", text.replace('\n', " ")));
    }

    /// The settings are read anew.
    pub(super) fn reloading(&self) {
        self.tell("RELOADING=1");
    }

    /// The end has begun.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// It is still alive.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// How often it wants to hear that.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 3)
    }

    fn tell(&self, text: &str) {
        if let Some((socket, address)) = &self.socket {
            // A supervisor that does not listen is no reason to stop.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

#[cfg(target_os = "linux")]
fn address(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    match name.strip_prefix('@') {
        Some(hidden) => SocketAddr::from_abstract_name(hidden),
        None => SocketAddr::from_pathname(name),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(name: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(name)
}
