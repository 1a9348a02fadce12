//! Small pictures, so that contacts have something to show.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// The side of a square, in pixels.
const SIDE: u32 = 48;

/// A PNG of one grey.
pub(super) fn square(grey: u8) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::new();
    head.extend(SIDE.to_be_bytes());
    head.extend(SIDE.to_be_bytes());
    head.extend([8, 0, 0, 0, 0]);
    chunk(&mut png, b"IHDR", &head);
    let row: Vec<u8> = std::iter::once(0).chain((0..SIDE).map(|_| grey)).collect();
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    let written = (0..SIDE).try_for_each(|_| packed.write_all(&row));
    if let (Ok(()), Ok(packed)) = (written, packed.finish()) {
        chunk(&mut png, b"IDAT", &packed);
    }
    chunk(&mut png, b"IEND", &[]);
    png
}

fn chunk(png: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    png.extend(u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    let mut sum = flate2::Crc::new();
    for part in [name.as_slice(), data] {
        sum.update(part);
        png.extend(part);
    }
    png.extend(sum.sum().to_be_bytes());
}
