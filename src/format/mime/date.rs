//! Dates as real mail has them: RFC 5322, its obsolete forms, and what old programs made of them.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::pim::UnixTime;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// No date is longer; comments can be.
const MAX_BYTES: usize = 512;

/// Reads a date. A weekday is not even looked at, since wrong ones are common; a missing or unknown zone counts as UTC (RFC 5322
/// §4.3), a missing time as midnight.
pub fn parse_date(text: &str) -> Option<UnixTime> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let text = without_comments(text);
    let mut parts = Parts::default();
    text.split(|character: char| character.is_whitespace() || character == ',')
        .filter(|word| !word.is_empty())
        .for_each(|word| parts.take(word));
    parts.time()
}

#[derive(Default)]
struct Parts {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
    clock: Option<(i8, i8, i8)>,
    /// Seconds east of UTC.
    zone: Option<i64>,
}

impl Parts {
    fn take(&mut self, word: &str) {
        if word.contains(':') {
            self.clock = self.clock.or_else(|| clock(word));
        } else if self.clock.is_some() && (word.starts_with(['+', '-']) || is_word(word)) {
            self.zone = self.zone.or_else(|| zone(word));
        } else {
            // 02-Oct-2016
            word.split('-').for_each(|part| self.take_date(part));
        }
    }

    fn take_date(&mut self, word: &str) {
        if is_word(word) {
            self.month = self.month.or_else(|| month(word));
        } else if let Ok(number) = word.parse::<i16>() {
            match (self.day, word.len()) {
                (None, 1 | 2) => self.day = i8::try_from(number).ok(),
                _ => self.year = self.year.or_else(|| year(number, word.len())),
            }
        }
    }

    fn time(self) -> Option<UnixTime> {
        let (hour, minute, second) = self.clock.unwrap_or_default();
        // A leap second is the one before it.
        let civil = DateTime::new(self.year?, self.month?, self.day?, hour, minute, second.min(59), 0).ok()?;
        let local = Offset::UTC.to_timestamp(civil).ok()?.as_second();
        Some(UnixTime(local - self.zone.unwrap_or(0)))
    }
}

fn is_word(word: &str) -> bool {
    word.starts_with(|character: char| character.is_ascii_alphabetic())
}

fn month(word: &str) -> Option<i8> {
    let start = word.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| *month == start)?;
    i8::try_from(at + 1).ok()
}

/// RFC 5322 §4.3: two digits up to 49 are of this century, three count from 1900.
fn year(number: i16, digits: usize) -> Option<i16> {
    match digits {
        2 if number < 50 => Some(2000 + number),
        2 | 3 => Some(1900 + number),
        4 => Some(number),
        _ => None,
    }
}

fn clock(word: &str) -> Option<(i8, i8, i8)> {
    let mut parts = word.split(':').map(|part| part.split('.').next().unwrap_or_default().parse::<i8>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    Some((hour, minute, parts.next().flatten().unwrap_or(0)))
}

fn zone(word: &str) -> Option<i64> {
    let hours = |hours: i64| Some(hours * 3600);
    let (sign, digits) = match (word.strip_prefix('+'), word.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => {
            return match word.to_ascii_uppercase().as_str() {
                "GMT" | "UT" | "UTC" | "Z" => hours(0),
                "EDT" => hours(-4),
                "EST" | "CDT" => hours(-5),
                "CST" | "MDT" => hours(-6),
                "MST" | "PDT" => hours(-7),
                "PST" => hours(-8),
                "BST" | "CET" | "MET" => hours(1),
                "CEST" | "MEST" | "EET" => hours(2),
                "EEST" | "MSK" => hours(3),
                _ => None,
            };
        }
    };
    let number: i64 = digits.parse().ok().filter(|_| digits.len() == 4)?;
    Some(sign * (number / 100 * 3600 + number % 100 * 60))
}

fn without_comments(text: &str) -> String {
    let mut depth = 0usize;
    text.chars()
        .filter(|character| {
            match character {
                '(' => depth += 1,
                ')' if depth > 0 => {
                    depth -= 1;
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_of_real_mail_are_read() {
        for text in [
            "Sun, 02 Oct 2016 07:06:22 -0700 (PDT)",
            "Sun, 2 Oct 2016 16:06:22 +0200 (Mitteleuropäische (Sommerzeit))",
            "Fri, 2 Oct 2016 14:06:22 GMT",
            "2 Oct 16 14:06:22",
            "2-Oct-2016 14:06:22 +0000",
            "Sun Oct  2 14:06:22 2016",
            "Sun Oct  2 10:06:22 EDT 2016",
            "sun,2 october 2016 14:06:22.123 -0000",
            "\r\n\tSun, 2 Oct 2016\r\n 14:06:22 XYZ",
        ] {
            assert_eq!(parse_date(text), Some(UnixTime(1_475_417_182)), "{text}");
        }
        assert_eq!(parse_date("1 Jan 1970 00:00 +0000"), Some(UnixTime(0)));
        assert_eq!(parse_date("1 Jan 99"), Some(UnixTime(915_148_800)));
        assert_eq!(parse_date("31 Dec 1998 23:59:60 +0000"), Some(UnixTime(915_148_799)));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "yesterday",
            "32 Oct 2016",
            "30 Feb 2016 10:00",
            "2 Oct 2016 25:00:00",
            "2016-10-02",
            "()((",
            "99999999999",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_instant_is_read_back(seconds in 0i64..4_000_000_000, zone in -14i64..15) {
            let at = jiff::Timestamp::from_second(seconds + zone * 3600).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
            let text = at.strftime("%a, %d %b %Y %H:%M:%S").to_string();
            let sign = if zone < 0 { '-' } else { '+' };
            let hours = zone.abs();
            prop_assert_eq!(parse_date(&format!("{text} {sign}{hours:02}00")), Some(UnixTime(seconds)));
        }

        #[test]
        fn anything_is_survived(text in "[-+:,.() 0-9A-Za-z\u{e9}]{0,60}") {
            parse_date(&text);
        }
    }
}
