//! The three messages as bytes (MS-NLMP §2.2.1).

use super::Channel;
use super::keys::{Key, utf16};
use md5::{Digest as _, Md5};

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// Flags (MS-NLMP §2.2.2.5).
mod flag {
    pub(super) const UNICODE: u32 = 1;
    pub(super) const REQUEST_TARGET: u32 = 1 << 2;
    pub(super) const SIGN: u32 = 1 << 4;
    pub(super) const NTLM: u32 = 1 << 9;
    pub(super) const ALWAYS_SIGN: u32 = 1 << 15;
    pub(super) const EXTENDED_SESSION_SECURITY: u32 = 1 << 19;
    pub(super) const TARGET_INFO: u32 = 1 << 23;
    pub(super) const BITS_128: u32 = 1 << 29;
    pub(super) const BITS_56: u32 = 1 << 31;
}

/// What is asked for: no key exchange, since nothing is encrypted.
const ASKED: u32 = flag::UNICODE
    | flag::REQUEST_TARGET
    | flag::SIGN
    | flag::NTLM
    | flag::ALWAYS_SIGN
    | flag::EXTENDED_SESSION_SECURITY
    | flag::BITS_128
    | flag::BITS_56;

/// Kinds of what a server tells of itself, and is told back (MS-NLMP §2.2.2.1).
mod pair {
    pub(super) const END: u16 = 0;
    pub(super) const FLAGS: u16 = 6;
    pub(super) const TIMESTAMP: u16 = 7;
    pub(super) const TARGET_NAME: u16 = 9;
    pub(super) const CHANNEL_BINDINGS: u16 = 10;
}

/// The flag among the pairs which says that a MIC follows.
const HAS_MIC: u32 = 2;

/// Where the parts of the last message begin.
const MIC: usize = 72;
const PAYLOAD: usize = 88;

/// The first message: what is asked for, and nothing of who asks.
pub(super) fn negotiate() -> Vec<u8> {
    let mut message = SIGNATURE.to_vec();
    message.extend_from_slice(&1_u32.to_le_bytes());
    message.extend_from_slice(&ASKED.to_le_bytes());
    // Neither domain nor workstation.
    message.extend_from_slice(&[0; 16]);
    message
}

/// What the server said.
pub(super) struct Challenge<'c> {
    flags: u32,
    nonce: [u8; 8],
    target: &'c [u8],
}

impl<'c> Challenge<'c> {
    pub(super) fn read(bytes: &'c [u8]) -> Result<Self, &'static str> {
        let short = "is too short";
        if bytes.get(..8).ok_or(short)? != SIGNATURE || number(bytes, 8) != Some(2) {
            return Err("is no challenge of NTLM");
        }
        let flags = number(bytes, 20).ok_or(short)?;
        let nonce = *bytes.get(24..).and_then(<[u8]>::first_chunk).ok_or(short)?;
        if flags & flag::UNICODE == 0 {
            return Err("is of a server that knows no Unicode");
        }
        let target = if flags & flag::TARGET_INFO == 0 { &[] } else { field(bytes, 40).ok_or(short)? };
        Ok(Self { flags, nonce, target })
    }
}

/// The proof that somebody knows the password.
pub(super) struct Proof {
    lm: [u8; 24],
    nt: Vec<u8>,
    pub(super) session: Key,
}

impl Proof {
    /// Answers the challenge (MS-NLMP §3.3.2), bound to the channel.
    pub(super) fn new(
        said: &Challenge<'_>,
        key: &Key,
        channel: &Channel,
        now: u64,
        chance: [u8; 8],
    ) -> Result<Self, &'static str> {
        let target = Target::read(said.target)?;
        // With a time of its own the server forbids the older proof.
        let (time, lm) = match target.time {
            Some(time) => (time, [0; 24]),
            None => (now.to_le_bytes(), joined(&key.mac(&[&said.nonce, &chance]), &chance)),
        };
        let mut blob = vec![1, 1, 0, 0, 0, 0, 0, 0];
        blob.extend_from_slice(&time);
        blob.extend_from_slice(&chance);
        blob.extend_from_slice(&[0; 4]);
        blob.extend(target.told_back(channel)?);
        blob.extend_from_slice(&[0; 4]);
        Ok(Self::over(said.nonce, key, lm, &blob))
    }

    fn over(nonce: [u8; 8], key: &Key, lm: [u8; 24], blob: &[u8]) -> Self {
        let proof = key.mac(&[&nonce, blob]);
        Self { lm, nt: [&proof, blob].concat(), session: key.derive(&[&proof]) }
    }
}

fn joined(mac: &[u8; 16], chance: &[u8; 8]) -> [u8; 24] {
    let mut lm = [0; 24];
    for (to, from) in lm.iter_mut().zip(mac.iter().chain(chance)) {
        *to = *from;
    }
    lm
}

/// What a server tells of itself.
struct Target<'t> {
    pairs: Vec<(u16, &'t [u8])>,
    flags: u32,
    time: Option<[u8; 8]>,
}

impl<'t> Target<'t> {
    fn read(mut bytes: &'t [u8]) -> Result<Self, &'static str> {
        let mut target = Self { pairs: Vec::new(), flags: 0, time: None };
        while let Some((&[a, b, c, d], rest)) = bytes.split_first_chunk() {
            let (kind, length) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
            let (value, rest) = rest.split_at_checked(length.into()).ok_or("tells less of the server than it says")?;
            bytes = rest;
            match kind {
                pair::END => break,
                pair::FLAGS => target.flags = number(value, 0).unwrap_or_default(),
                // Ours to say.
                pair::TARGET_NAME | pair::CHANNEL_BINDINGS => continue,
                pair::TIMESTAMP => target.time = value.first_chunk().copied(),
                _ => {}
            }
            if kind != pair::FLAGS {
                target.pairs.push((kind, value));
            }
        }
        Ok(target)
    }

    /// The same with what the client adds (MS-NLMP §3.1.5.1.2): that a MIC follows, the channel, and the service that is meant.
    fn told_back(&self, channel: &Channel) -> Result<Vec<u8>, &'static str> {
        let bindings: [u8; 16] =
            channel.gss_bindings().map(|bindings| Md5::digest(bindings).into()).unwrap_or_default();
        let flags = (self.flags | HAS_MIC).to_le_bytes();
        let name = utf16(&format!("HTTP/{}", channel.host));
        let added: [(u16, &[u8]); 4] =
            [(pair::FLAGS, &flags), (pair::CHANNEL_BINDINGS, &bindings), (pair::TARGET_NAME, &name), (pair::END, &[])];
        let mut bytes = Vec::new();
        for (kind, value) in self.pairs.iter().chain(&added) {
            bytes.extend_from_slice(&kind.to_le_bytes());
            bytes.extend_from_slice(&u16::try_from(value.len()).map_err(|_| TOO_LONG)?.to_le_bytes());
            bytes.extend_from_slice(value);
        }
        Ok(bytes)
    }
}

const TOO_LONG: &str = "or the user's name is too long";

/// The last message, its MIC still zero.
pub(super) fn authenticate(
    said: &Challenge<'_>,
    proof: &Proof,
    domain: &str,
    name: &str,
) -> Result<Vec<u8>, &'static str> {
    let (domain, name) = (utf16(domain), utf16(name));
    let mut message = SIGNATURE.to_vec();
    message.extend_from_slice(&3_u32.to_le_bytes());
    let mut payload: Vec<u8> = Vec::new();
    // The fifth is the workstation, which is nobody's business, the last a session key of our own, which takes key exchange.
    for part in [&proof.lm[..], &proof.nt, &domain, &name, &[], &[]] {
        let length = u16::try_from(part.len()).map_err(|_| TOO_LONG)?.to_le_bytes();
        let at = u32::try_from(PAYLOAD + payload.len()).map_err(|_| TOO_LONG)?;
        message.extend_from_slice(&length);
        message.extend_from_slice(&length);
        message.extend_from_slice(&at.to_le_bytes());
        payload.extend_from_slice(part);
    }
    let flags = said.flags & (ASKED | flag::TARGET_INFO);
    message.extend_from_slice(&flags.to_le_bytes());
    // No version, and room for the MIC.
    message.resize(PAYLOAD, 0);
    message.extend_from_slice(&payload);
    Ok(message)
}

/// Fills the MIC in.
pub(super) fn put_mic(message: &mut [u8], mic: &[u8; 16]) {
    if let Some(place) = message.get_mut(MIC..PAYLOAD) {
        place.copy_from_slice(mic);
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// The bytes that a length and an offset at `at` point to.
fn field(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let length = usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let from = usize::try_from(number(bytes, at + 4)?).ok()?;
    bytes.get(from..from.checked_add(length)?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn challenge(flags: u32, target: &[u8]) -> Vec<u8> {
        let length = u16::try_from(target.len()).unwrap().to_le_bytes();
        let mut bytes = [&SIGNATURE[..], &2_u32.to_le_bytes(), &[0; 8], &flags.to_le_bytes()].concat();
        bytes.extend([0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([&length[..], &length, &48_u32.to_le_bytes(), target].concat());
        bytes
    }

    fn pairs(pairs: &[(u16, &[u8])]) -> Vec<u8> {
        let one = |(kind, value): &(u16, &[u8])| {
            [&kind.to_le_bytes()[..], &u16::try_from(value.len()).unwrap().to_le_bytes(), value].concat()
        };
        pairs.iter().flat_map(one).collect()
    }

    #[test]
    fn the_proof_is_the_specifications() {
        // MS-NLMP §4.2.4.
        let key = Key::of_response("User", "Domain", "Password");
        let target = pairs(&[(2, &utf16("Domain")), (1, &utf16("Server")), (pair::END, &[])]);
        let blob = [&[1, 1, 0, 0, 0, 0, 0, 0][..], &[0; 8], &[0xaa; 8], &[0; 4], &target, &[0; 4]].concat();
        let nonce = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
        let proof = Proof::over(nonce, &key, joined(&key.mac(&[&nonce, &[0xaa; 8]]), &[0xaa; 8]), &blob);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&proof.nt[..16]), "68cd0ab851e51c96aabc927bebef6a1c");
        assert_eq!(hex(&proof.lm), "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa");
        assert_eq!(hex(proof.session.bytes()), "8de40ccadbc14a82f15cb0ad0de95ca3");
    }

    #[test]
    fn a_server_with_a_time_of_its_own_gets_it_back_and_no_older_proof() {
        let time = [9; 8];
        let target =
            pairs(&[(pair::TIMESTAMP, &time), (pair::CHANNEL_BINDINGS, &[7; 16]), (pair::END, &[]), (2, b"xx")]);
        let bytes = challenge(ASKED | flag::TARGET_INFO, &target);
        let said = Challenge::read(&bytes).unwrap();
        let key = Key::of_response("a", "", "b");
        let channel = Channel::tls("mail.example.org", b"certificate");
        let proof = Proof::new(&said, &key, &channel, 1, [0xaa; 8]).unwrap();
        assert_eq!((proof.lm, &proof.nt[24..32]), ([0; 24], &time[..]));
        let binding: [u8; 16] = Md5::digest(channel.gss_bindings().unwrap()).into();
        let expected = pairs(&[
            (pair::TIMESTAMP, &time),
            (pair::FLAGS, &[2, 0, 0, 0]),
            (pair::CHANNEL_BINDINGS, &binding),
            (pair::TARGET_NAME, &utf16("HTTP/mail.example.org")),
            (pair::END, &[]),
        ]);
        assert_eq!(proof.nt[44..proof.nt.len() - 4], expected, "the server's own word for the channel is not believed");
    }

    #[test]
    fn a_challenge_that_is_none_is_told() {
        let told = |bytes: &[u8]| Challenge::read(bytes).err();
        assert_eq!(told(b"NTLM"), Some("is too short"));
        assert_eq!(told(&negotiate()), Some("is no challenge of NTLM"));
        assert_eq!(told(&challenge(0, b"")), Some("is of a server that knows no Unicode"));
        let mut bytes = challenge(ASKED | flag::TARGET_INFO, b"");
        bytes[40] = 200;
        assert_eq!(told(&bytes), Some("is too short"));
    }
}
