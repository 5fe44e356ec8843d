//! Rows of CSV from a stream of bytes. Cells are separated by comma, semicolon or tab: by the one
//! that is most frequent in the first line, or that a first line such as `sep=;` names.
//!
//! A file has one charset: the declared one, that of its byte order mark, or UTF-8 or Windows-1252,
//! whichever fits the first row with a letter beyond ASCII. Rows in another charset are refused one
//! by one.
//!
//! Only the row that is being read is in memory. Every row has the line on which it begins, and a
//! checksum of everything before its end, by which the same file is recognised.

use std::borrow::Cow;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::api::call::charset::Charset;
use crate::api::call::problem::Problem;

/// The longest row, in bytes.
const LONGEST_ROW: usize = 64 * 1024;

/// The most cells of a row.
const MOST_CELLS: usize = 600;

/// The longest byte order mark.
const LONGEST_MARK: usize = 3;

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) struct Row {
    /// The line on which it begins, from 1.
    pub(in crate::api) line: u64,
    /// Its cells; the reason, if they are not of the file's charset.
    pub(in crate::api) cells: Result<Vec<String>, &'static str>,
    /// The checksum of everything up to its end.
    pub(in crate::api) sum: u64,
}

/// Reads rows.
pub(in crate::api) struct Rows {
    /// The first bytes, until it is known whether they are a byte order mark.
    first: Option<Vec<u8>>,
    /// The charset that was declared.
    declared: Option<Charset>,
    /// The charset of the cells, once it is known.
    charset: Option<Charset>,
    /// Set for UTF-16: the incomplete rest of a code unit, or of a surrogate pair.
    wide: Option<Vec<u8>>,
    /// The first line, until it is known what separates its cells.
    head: Option<Vec<u8>>,
    core: Reader,
    cells: Vec<u8>,
    ends: Vec<usize>,
    /// How much of the two is in use.
    used: (usize, usize),
    line: u64,
    /// The line on which the current row began.
    begins: Option<u64>,
    sum: Sum,
}

/// A checksum of bytes (FNV-1a): it distinguishes files, but does not detect forgeries.
#[derive(Clone, Copy)]
struct Sum(u64);

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Rows {
    pub(in crate::api) fn new(declared: Option<Charset>) -> Self {
        Self {
            first: Some(Vec::new()),
            declared,
            charset: None,
            wide: None,
            head: Some(Vec::new()),
            core: Reader::new(),
            cells: vec![0; LONGEST_ROW],
            ends: vec![0; MOST_CELLS],
            used: (0, 0),
            line: 1,
            begins: None,
            sum: Sum(0xcbf2_9ce4_8422_2325),
        }
    }

    /// Takes more of the file. Complete rows are added to `rows`.
    ///
    /// # Errors
    ///
    /// 422 if a row is too long.
    pub(in crate::api) fn push(
        &mut self,
        bytes: &[u8],
        rows: &mut Vec<Row>,
    ) -> Result<(), Problem> {
        let Some(first) = self.first.as_mut() else { return self.decoded(bytes, rows) };
        first.extend_from_slice(bytes);
        if first.len() < LONGEST_MARK { Ok(()) } else { self.begin_file(rows) }
    }

    /// Reads the first bytes, which may begin with a byte order mark.
    fn begin_file(&mut self, rows: &mut Vec<Row>) -> Result<(), Problem> {
        let first = self.first.take().unwrap_or_default();
        let (charset, mark) = match (self.declared, Charset::marked(&first)) {
            (Some(Charset::Windows1252), _) => (Some(Charset::Windows1252), 0),
            (_, Some((charset, mark))) => (Some(charset), mark),
            (declared, None) => (declared, 0),
        };
        self.charset = charset;
        self.wide = matches!(charset, Some(Charset::Utf16 { .. })).then(Vec::new);
        self.decoded(&first[mark..], rows)
    }

    /// Takes more of the file, UTF-16 as UTF-8.
    fn decoded(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), Problem> {
        let (Some(rest), Some(charset)) = (self.wide.as_mut(), self.charset) else {
            return self.take(bytes, rows);
        };
        rest.extend_from_slice(bytes);
        let mut whole = rest.len() & !1;
        // The first half of a pair waits for the second.
        let high = whole.checked_sub(2).map(|at| [rest[at], rest[at + 1]]);
        let is_high = high.is_some_and(|[one, two]| {
            let first = if charset == (Charset::Utf16 { big_endian: true }) { one } else { two };
            (0xd8..=0xdb).contains(&first)
        });
        if is_high {
            whole -= 2;
        }
        let behind = rest.split_off(whole);
        let pairs = std::mem::replace(rest, behind);
        match charset.decode(&pairs) {
            Some(text) => self.take(text.as_bytes(), rows),
            None => Err(Problem::malformed(
                "the file is not UTF-16, as its mark says; save it as UTF-8",
            )),
        }
    }

    fn take(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), Problem> {
        let Some(head) = self.head.as_mut() else { return self.read(bytes, rows) };
        head.extend_from_slice(bytes);
        if head.contains(&b'\n') || head.len() > LONGEST_ROW {
            self.begin(rows)?;
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// As before; 422 if the file ends between quotation marks.
    pub(in crate::api) fn finish(&mut self, rows: &mut Vec<Row>) -> Result<(), Problem> {
        if self.first.is_some() {
            self.begin_file(rows)?;
        }
        if self.wide.as_ref().is_some_and(|rest| !rest.is_empty()) {
            return Err(Problem::malformed(
                "the file ends within a letter of UTF-16; send it again",
            ));
        }
        if self.head.is_some() {
            self.begin(rows)?;
        }
        if let Some(begins) = self.begins {
            let (before, line) = (rows.len(), self.line);
            // A line break ends the row, unless it is inside quotation marks.
            self.step(b"\n", rows)?;
            if rows.len() == before {
                let message = format!(
                    "a quotation mark in the row on line {begins} is not closed: the row goes on \
                     to the end of the file, on line {line}; close it, or write the mark twice"
                );
                return Err(Problem::invalid_at("", "quotation_mark", message));
            }
        }
        Ok(())
    }

    fn begin(&mut self, rows: &mut Vec<Row>) -> Result<(), Problem> {
        let head = self.head.take().unwrap_or_default();
        let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        // Spreadsheets write a separate line about it.
        let said = match first.strip_suffix(b"\r").unwrap_or(first) {
            [s, e, p, b'=', separator] if [s, e, p].map(u8::to_ascii_lowercase) == *b"sep" => {
                Some(*separator)
            }
            _ => None,
        };
        let often = |separator: &u8| first.iter().filter(|byte| *byte == separator).count();
        // If several are equally frequent, the last one counts.
        let most = || [b'\t', b';', b','].into_iter().max_by_key(often).unwrap_or(b',');
        self.core = ReaderBuilder::new().delimiter(said.unwrap_or_else(most)).build();
        let begins = if said.is_some() { head.len().min(first.len() + 1) } else { 0 };
        self.pass(&head[..begins]);
        self.read(&head[begins..], rows)
    }

    fn read(&mut self, mut bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), Problem> {
        while !bytes.is_empty() {
            let consumed = self.step(bytes, rows)?;
            bytes = &bytes[consumed..];
        }
        Ok(())
    }

    /// Reads to the end of a row, or of the bytes. Returns how many bytes were taken.
    fn step(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<usize, Problem> {
        if self.begins.is_none() {
            let empty = bytes.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            if empty > 0 {
                self.pass(&bytes[..empty]);
                return Ok(empty);
            }
            self.begins = Some(self.line);
        }
        let (cells, ends) = self.used;
        let (result, consumed, written, ended) =
            self.core.read_record(bytes, &mut self.cells[cells..], &mut self.ends[ends..]);
        self.used = (cells + written, ends + ended);
        self.pass(&bytes[..consumed]);
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::Record => rows.push(self.row()),
            ReadRecordResult::End => {
                self.begins = None;
                self.used = (0, 0);
            }
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                let line = self.begins.unwrap_or(self.line);
                let message = format!(
                    "the row on line {line} has more than {LONGEST_ROW} bytes or {MOST_CELLS} \
                     cells; is a quotation mark missing?"
                );
                return Err(Problem::invalid_at("", "row_too_long", message));
            }
        }
        Ok(consumed)
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.sum.add(bytes);
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        self.line += u64::try_from(lines).unwrap_or(0);
    }

    fn row(&mut self) -> Row {
        let ends = &self.ends[..self.used.1];
        let raw = &self.cells[..ends.last().copied().unwrap_or(0)];
        let is_utf_8 = std::str::from_utf8(raw).is_ok();
        if self.charset.is_none() && !raw.is_ascii() {
            self.charset = Some(if is_utf_8 { Charset::Utf8 } else { Charset::Windows1252 });
        }
        let charset = match self.charset {
            Some(Charset::Windows1252) => Charset::Windows1252,
            // UTF-16 has been decoded before.
            Some(Charset::Utf8 | Charset::Utf16 { .. }) | None => Charset::Utf8,
        };
        let guessed = charset == Charset::Windows1252 && self.declared.is_none();
        let mut from = 0;
        let cells = ends.iter().map(|end| {
            let cell = charset.decode(&raw[from..*end]).map(Cow::into_owned);
            from = *end;
            cell
        });
        let cells = match cells.collect::<Option<Vec<_>>>() {
            Some(_) if guessed && is_utf_8 && !raw.is_ascii() => {
                Err("the row is UTF-8, but rows before it are not; save the whole file as UTF-8")
            }
            Some(cells) => Ok(cells),
            None if charset == Charset::Utf8 => {
                Err("the row is not UTF-8; save the whole file as UTF-8")
            }
            None => Err("the row is neither UTF-8 nor Windows-1252; save the whole file as UTF-8"),
        };
        self.used = (0, 0);
        Row { line: self.begins.take().unwrap_or(self.line), cells, sum: self.sum.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8], at_once: usize) -> Vec<(u64, Vec<String>)> {
        let (mut reader, mut rows) = (Rows::new(None), Vec::new());
        for chunk in text.chunks(at_once) {
            reader.push(chunk, &mut rows).unwrap();
        }
        reader.finish(&mut rows).unwrap();
        rows.into_iter().map(|row| (row.line, row.cells.unwrap_or_default())).collect()
    }

    #[test]
    fn rows_are_the_same_however_the_bytes_come() {
        let text = "\u{feff}email;name\r\nann@example.com;\"Ann\nLee\"\r\n\r\n\nbob@example.com;\"B;\"\"b\"";
        let cells = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let expected = [
            (1, cells(["email", "name"])),
            (2, cells(["ann@example.com", "Ann\nLee"])),
            (6, cells(["bob@example.com", "B;\"b"])),
        ];
        for at_once in [1, 2, 3, 7, 1_000] {
            assert_eq!(rows(text.as_bytes(), at_once), expected, "{at_once} at once");
        }
        let mut reader = Rows::new(None);
        let mut read = Vec::new();
        reader.push(b"email,name\na@example.com,\"A\nb@example.com,B\n", &mut read).unwrap();
        let problem = reader.finish(&mut read).unwrap_err();
        let told = problem.into_faults();
        assert!(told[0].message.contains("line 2 is not closed"), "{told:?}");
        assert_eq!(rows(b"a,5\" screen", 3), [(1, cells(["a", "5\" screen"]))]);
        assert_eq!(rows(b"", 1), []);
        assert_eq!(rows(b"\n\n", 1), []);
    }

    #[test]
    fn what_separates_is_seen_from_the_first_line() {
        for separator in [",", ";", "\t"] {
            let text = ["a", "b", "c"].join(separator);
            assert_eq!(rows(text.as_bytes(), 2)[0].1.len(), 3, "{separator:?}");
        }
        assert_eq!(rows(b"email", 2)[0].1, ["email"]);
    }

    #[test]
    fn a_file_is_read_in_one_charset_as_a_whole() {
        let wide = |text: &str, big: bool| -> Vec<u8> {
            let pair = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(pair).collect()
        };
        let text =
            "email;Vorname\r\na@example.com;Jörg 🎼\r\nb@example.com;Ann\r\nc@example.com;Zoë\r\n";
        let excel = b"email;Vorname\r\na@example.com;J\xf6rg\r\nb@example.com;\x80\r\nc@example.com;Zo\xeb\r\n";
        for at_once in [1, 2, 3, 5, 1_000] {
            for bytes in [text.as_bytes().to_vec(), wide(text, false), wide(text, true)] {
                let names: Vec<_> =
                    rows(&bytes, at_once).into_iter().map(|row| row.1[1].clone()).collect();
                assert_eq!(names, ["Vorname", "Jörg 🎼", "Ann", "Zoë"], "{at_once} at once");
            }
            let names: Vec<_> =
                rows(excel, at_once).into_iter().map(|row| row.1[1].clone()).collect();
            assert_eq!(names, ["Vorname", "Jörg", "€", "Zoë"], "{at_once} at once");
        }
        let refused = |bytes: &[u8]| {
            let (mut reader, mut rows) = (Rows::new(None), Vec::new());
            reader.push(bytes, &mut rows).unwrap();
            rows.iter().map(|row| row.cells.is_err()).collect::<Vec<_>>()
        };
        assert_eq!(
            refused("a\nö\n".bytes().chain(*b"\xf6\n").collect::<Vec<_>>().as_slice()),
            [false, false, true]
        );
        assert_eq!(refused(b"a\n\xf6\n\xc3\xb6\n"), [false, false, true], "of two charsets");
        assert_eq!(refused(b"a\n\x81\n"), [false, true], "no letter in either");
        let (mut reader, mut rows) = (Rows::new(Some(Charset::Windows1252)), Vec::new());
        reader.push(b"a\n\xc3\xb6\n", &mut rows).unwrap();
        assert_eq!(rows[1].cells, Ok(vec!["Ã¶".to_owned()]), "as declared");
    }

    #[test]
    fn a_first_line_may_say_what_separates() {
        for text in
            ["sep=;\r\na;b,c\r\n1;2\r\n", "SEP=;\na;b,c\n1;2\n", "\u{feff}sep=;\na;b,c\n1;2"]
        {
            for at_once in [1, 4, 1_000] {
                let read = rows(text.as_bytes(), at_once);
                assert_eq!(read[0], (2, vec!["a".to_owned(), "b,c".to_owned()]), "{text:?}");
                assert_eq!(read[1].0, 3);
            }
        }
        assert_eq!(rows(b"sep=|\na|b\n", 100)[0].1, ["a", "b"]);
    }

    #[test]
    fn rows_have_a_bound() {
        let mut rows = Vec::new();
        let endless = format!("email\n\"{}", "x".repeat(70_000));
        assert!(Rows::new(None).push(endless.as_bytes(), &mut rows).is_err());
    }

    #[test]
    fn the_sum_tells_files_apart_row_by_row() {
        let sums = |text: &str| {
            let (mut reader, mut rows) = (Rows::new(None), Vec::new());
            reader.push(text.as_bytes(), &mut rows).unwrap();
            reader.finish(&mut rows).unwrap();
            rows.into_iter().map(|row| row.sum).collect::<Vec<_>>()
        };
        let (one, other) = (sums("a\nb\nc\n"), sums("a\nb\nd\n"));
        assert_eq!(one[..2], other[..2]);
        assert_ne!(one[2], other[2]);
    }
}
