//! UIDs, and the GlobalObjectIds under which MAPI knows them (MS-OXCICAL §2.1.3.1.1.20.26).

/// What each GlobalObjectId begins with.
const HEAD: [u8; 16] = [0x04, 0x00, 0x00, 0x00, 0x82, 0x00, 0xE0, 0x00, 0x74, 0xC5, 0xB7, 0x10, 0x1A, 0x82, 0xE0, 0x08];
/// The length of one without data: the head, a day, a time, a reserved part, and the length of the data.
const SHORTEST: usize = 40;
/// What leads a UID that was made elsewhere.
const FOREIGN: &[u8] = b"vCal-Uid\x01\0\0\0";

/// A UID as the server makes them.
pub(super) fn new(now: i64, seed: &str) -> String {
    let mut bytes = HEAD.to_vec();
    bytes.extend([0; 4]);
    bytes.extend(now.to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(16u32.to_le_bytes());
    bytes.extend(blake3::hash(seed.as_bytes()).as_bytes().iter().take(16));
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The id that all occurrences of a series share.
pub(super) fn clean_global_id(uid: &str) -> Vec<u8> {
    let own: Option<Vec<u8>> =
        (0..uid.len()).step_by(2).map(|at| u8::from_str_radix(uid.get(at..at + 2)?, 16).ok()).collect();
    if let Some(bytes) = own.filter(|bytes| bytes.starts_with(&HEAD) && bytes.len() >= SHORTEST) {
        return bytes;
    }
    let mut data = FOREIGN.to_vec();
    data.extend(uid.as_bytes());
    data.push(0);
    let mut bytes = HEAD.to_vec();
    bytes.extend([0; 20]);
    bytes.extend(u32::try_from(data.len()).unwrap_or_default().to_le_bytes());
    bytes.extend(data);
    bytes
}

/// The id of one occurrence: it tells the day on which that would be.
pub(super) fn global_id(uid: &str, day: Option<jiff::civil::Date>) -> Vec<u8> {
    let mut bytes = clean_global_id(uid);
    if let Some(day) = day {
        let year = day.year().to_be_bytes();
        let told = [year[0], year[1], u8::try_from(day.month()).unwrap_or(0), u8::try_from(day.day()).unwrap_or(0)];
        bytes.splice(16..20, told);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_and_its_global_id_tell_the_same() {
        let uid = new(1_793_620_800_000, "x");
        let hex: String = clean_global_id(&uid).iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(hex, uid);
        let foreign = clean_global_id("abc@example.com");
        assert!(foreign.ends_with(b"vCal-Uid\x01\0\0\0abc@example.com\0"));
        assert_eq!(foreign[36..40], 28u32.to_le_bytes());
        let one = global_id("abc@example.com", Some(jiff::civil::date(2026, 11, 2)));
        assert_eq!(one[16..20], [0x07, 0xEA, 11, 2]);
        let stump = "040000008200E00074C5B7101A82E008";
        assert!(global_id(stump, Some(jiff::civil::date(2026, 11, 2))).ends_with(b"1A82E008\0"));
    }
}
