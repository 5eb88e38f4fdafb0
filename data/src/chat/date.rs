//! Dates as `strftime` writes them.

use std::fmt::Write;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The date and time that a template takes for now, in no particular time zone. It is given, never read from a clock, so that
/// a run prepares the same tokens on every day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

impl DateTime {
    /// Midnight of a day of the Gregorian calendar; none where there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let is_day = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=days(year, month)).contains(&day);
        is_day.then_some(Self { year, month, day, hour: 0, minute: 0, second: 0 })
    }

    /// The same day at another time; none where there is no such time.
    pub fn at(self, hour: u8, minute: u8, second: u8) -> Option<Self> {
        (hour < 24 && minute < 60 && second < 60).then_some(Self { hour, minute, second, ..self })
    }

    /// The date in a format of `strftime`, with English names.
    ///
    /// # Errors
    /// The directive that is not known.
    pub(super) fn format(self, format: &str) -> Result<String, String> {
        let mut text = String::with_capacity(format.len() + 16);
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            // As glibc: a number without its zeros.
            let (unpadded, after) = rest.strip_prefix('-').map_or((false, rest), |after| (true, after));
            let directive = after.chars().next().ok_or("%")?;
            self.write(&mut text, directive, unpadded).ok_or_else(|| format!("%{directive}"))?;
            rest = &after[directive.len_utf8()..];
        }
        text.push_str(rest);
        Ok(text)
    }

    fn write(self, text: &mut String, directive: char, unpadded: bool) -> Option<()> {
        let month = MONTHS[usize::from(self.month) - 1];
        let weekday = WEEKDAYS[self.weekday()];
        let hour_of_12 = if self.hour.is_multiple_of(12) { 12 } else { self.hour % 12 };
        let (number, width) = match directive {
            'Y' => (self.year, 1),
            'y' => (self.year % 100, 2),
            'm' => (self.month.into(), 2),
            'd' => (self.day.into(), 2),
            'j' => (self.day_of_year(), 3),
            'H' => (self.hour.into(), 2),
            'I' => (hour_of_12.into(), 2),
            'M' => (self.minute.into(), 2),
            'S' => (self.second.into(), 2),
            _ => {
                match directive {
                    'B' => text.push_str(month),
                    'b' | 'h' => text.push_str(&month[..3]),
                    'A' => text.push_str(weekday),
                    'a' => text.push_str(&weekday[..3]),
                    'p' => text.push_str(if self.hour < 12 { "AM" } else { "PM" }),
                    'e' => write!(text, "{:>2}", self.day).ok()?,
                    'F' => text.push_str(&self.format("%Y-%m-%d").ok()?),
                    'D' => text.push_str(&self.format("%m/%d/%y").ok()?),
                    'T' => text.push_str(&self.format("%H:%M:%S").ok()?),
                    'R' => text.push_str(&self.format("%H:%M").ok()?),
                    '%' => text.push('%'),
                    _ => return None,
                }
                return Some(());
            }
        };
        let width = if unpadded { 1 } else { width };
        write!(text, "{number:0width$}").ok()
    }

    fn day_of_year(self) -> u16 {
        (1..self.month).map(|month| u16::from(days(self.year, month))).sum::<u16>() + u16::from(self.day)
    }

    /// The day of the week, from Sunday.
    fn weekday(self) -> usize {
        let years = u32::from(self.year) - 1;
        let days = years * 365 + years / 4 - years / 100 + years / 400 + u32::from(self.day_of_year());
        // The first of January of the year 1 was a Monday.
        (days % 7) as usize
    }
}

fn days(year: u16, month: u8) -> u8 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u8::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_by_strftime() {
        let date = DateTime::new(2024, 7, 6).unwrap().at(0, 5, 9).unwrap();
        // Python's datetime(2024, 7, 6, 0, 5, 9).strftime.
        assert_eq!(
            date.format("%d %b %Y, %A %a %B %-d %e %j %y %H:%I %p %M%S %F %%").unwrap(),
            "06 Jul 2024, Saturday Sat July 6  6 188 24 00:12 AM 0509 2024-07-06 %"
        );
        assert_eq!(DateTime::new(2000, 2, 29).unwrap().format("%A %D %T").unwrap(), "Tuesday 02/29/00 00:00:00");
        assert_eq!(DateTime::new(2026, 11, 27).unwrap().format("%A").unwrap(), "Friday");
        assert_eq!(
            (DateTime::new(2023, 2, 29), DateTime::new(1900, 2, 29), DateTime::new(2023, 13, 1)),
            (None, None, None)
        );
        assert_eq!((date.format("%Q").unwrap_err(), date.format("a%").unwrap_err()), ("%Q".into(), "%".into()));
    }
}
