//! SRV records (RFC 2782), asked of the system's name servers: the resolver of the standard library knows addresses only.

use std::net::{IpAddr, SocketAddr};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::net::UdpSocket;

use crate::clock::Clock;

/// The system's name servers.
pub(super) async fn servers() -> Vec<SocketAddr> {
    let text = tokio::fs::read_to_string("/etc/resolv.conf").await.unwrap_or_default();
    listed(&text).map(|server| SocketAddr::new(server, 53)).collect()
}

fn listed(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok())
}

/// The hosts and ports that a name stands for, the best first.
///
/// # Errors
/// For people.
pub(super) async fn srv(name: &str, servers: &[SocketAddr], clock: &dyn Clock) -> Result<Vec<(String, u16)>, String> {
    let mut failed = "the system names no name server".to_owned();
    for server in servers {
        match ask(name, *server, clock).await {
            Ok(found) => return found,
            Err(error) => failed = format!("{server}: {error}"),
        }
    }
    Err(failed)
}

async fn ask(name: &str, server: SocketAddr, clock: &dyn Clock) -> std::io::Result<Result<Vec<(String, u16)>, String>> {
    let any: IpAddr = if server.is_ipv4() { [0_u8; 4].into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    // From now on only that server is heard.
    socket.connect(server).await?;
    let [high, low, ..] = clock.random().to_be_bytes();
    let id = u16::from_be_bytes([high, low]);
    let Some(question) = question(id, name) else { return Ok(Err("no name that DNS can hold".to_owned())) };
    socket.send(&question).await?;
    let mut answer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut answer).await?;
        if let Some(found) = read(id, answer.get(..length).unwrap_or_default()) {
            return Ok(found);
        }
    }
}

fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(Name::new(name).ok()?, TYPE::SRV.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec().ok()
}

/// What an answer says; `None` where it is none to this question.
fn read(id: u16, bytes: &[u8]) -> Option<Result<Vec<(String, u16)>, String>> {
    let packet =
        Packet::parse(bytes).ok().filter(|packet| packet.id() == id && packet.has_flags(PacketFlag::RESPONSE))?;
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Some(Err("no such record".to_owned())),
        code => return Some(Err(format!("the name server answers {code:?}"))),
    }
    let mut found: Vec<(u16, u16, String, u16)> = packet
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::SRV(srv) => Some((srv.priority, u16::MAX - srv.weight, srv.target.to_string(), srv.port)),
            _ => None,
        })
        // A dot alone means that there is no such service.
        .filter(|(_, _, host, _)| !host.trim_end_matches('.').is_empty())
        .collect();
    found.sort();
    let host = |host: String| host.trim_end_matches('.').to_ascii_lowercase();
    let hosts: Vec<(String, u16)> = found.into_iter().map(|(_, _, name, port)| (host(name), port)).collect();
    Some(if hosts.is_empty() { Err("no such record".to_owned()) } else { Ok(hosts) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::SRV;

    use super::*;
    use crate::clock::SystemClock;

    fn answer(id: u16, records: &[(u16, u16, u16, &str)], code: RCODE) -> Vec<u8> {
        let mut packet = Packet::new_reply(id);
        *packet.rcode_mut() = code;
        let name = Name::new("_autodiscover._tcp.example.org").unwrap();
        for (priority, weight, port, target) in records {
            let target = Name::new(target).unwrap();
            let srv = SRV { priority: *priority, weight: *weight, port: *port, target };
            packet.answers.push(ResourceRecord::new(name.clone(), CLASS::IN, 60, RData::SRV(srv)));
        }
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn the_best_host_comes_first() {
        let records =
            [(20, 0, 443, "last.example.org"), (10, 1, 443, "second.example.org"), (10, 9, 8443, "First.example.org")];
        let found = read(7, &answer(7, &records, RCODE::NoError)).unwrap().unwrap();
        let hosts: Vec<(&str, u16)> = found.iter().map(|(host, port)| (host.as_str(), *port)).collect();
        assert_eq!(hosts, [("first.example.org", 8443), ("second.example.org", 443), ("last.example.org", 443)]);
        assert_eq!(read(8, &answer(7, &records, RCODE::NoError)), None, "an answer to another question");
        let none = Some(Err("no such record".to_owned()));
        assert_eq!(read(7, &answer(7, &[], RCODE::NoError)), none);
        assert_eq!(read(7, &answer(7, &[], RCODE::NameError)), none);
    }

    #[test]
    fn a_name_server_is_asked_and_a_silent_one_passed_over() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = server.local_addr().unwrap();
            let answering = tokio::spawn(async move {
                let mut question = [0; 512];
                let (length, from) = server.recv_from(&mut question).await.unwrap();
                let asked = Packet::parse(&question[..length]).unwrap();
                assert_eq!(asked.questions[0].qname.to_string(), "_autodiscover._tcp.example.org");
                let records = [(0, 0, 443, "mail.example.org")];
                // Somebody guesses, and is wrong.
                server
                    .send_to(&answer(asked.id() ^ 1, &[(0, 0, 443, "evil.example")], RCODE::NoError), from)
                    .await
                    .unwrap();
                server.send_to(&answer(asked.id(), &records, RCODE::NoError), from).await.unwrap();
            });
            // Nobody listens at the first.
            let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
            let found = srv("_autodiscover._tcp.example.org", &[closed, address], &SystemClock::new()).await;
            assert_eq!(found, Ok(vec![("mail.example.org".to_owned(), 443)]));
            answering.await.unwrap();
        });
    }

    #[test]
    fn name_servers_are_read_from_the_systems_list() {
        let text = "# nameserver 9.9.9.9\nsearch x\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 \nnameserver fe80::1%eth0\n";
        let servers: Vec<IpAddr> = listed(text).collect();
        assert_eq!(servers, ["192.0.2.1".parse::<IpAddr>().unwrap(), "2001:db8::1".parse().unwrap()]);
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(7, &bytes);
        }
    }
}
