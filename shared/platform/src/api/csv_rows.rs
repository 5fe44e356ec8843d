//! Rows of CSV out of a stream of bytes: comma, semicolon or tab between the cells, whichever the first line has most of.
//!
//! Nothing is kept but the row that is being read. Every row knows the line on which it begins, and a sum over all that
//! came before its end, by which the same file is known again.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::problem::Problem;

/// The longest row, in bytes.
const LONGEST_ROW: usize = 64 * 1024;

/// The most cells of a row.
const MOST_CELLS: usize = 600;

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// Its cells; nothing if they are not UTF-8.
    pub(super) cells: Option<Vec<String>>,
    /// The sum over everything up to its end.
    pub(super) sum: u64,
}

/// Reads rows.
pub(super) struct Rows {
    /// The first line, until it is known what separates its cells.
    head: Option<Vec<u8>>,
    core: Reader,
    cells: Vec<u8>,
    ends: Vec<usize>,
    /// How much of the two is in use.
    used: (usize, usize),
    line: u64,
    /// The line on which the row began that is being read.
    begins: Option<u64>,
    sum: Sum,
}

/// A sum over bytes (FNV-1a): it tells files apart, not forgeries.
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
    pub(super) fn new() -> Self {
        Self {
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

    /// Takes more of the file. Rows that are complete go into `rows`.
    ///
    /// # Errors
    ///
    /// 422 if a row is too long to be one.
    pub(super) fn push(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), Problem> {
        let Some(head) = self.head.as_mut() else { return self.read(bytes, rows) };
        head.extend_from_slice(bytes);
        if head.contains(&b'\n') || head.len() > LONGEST_ROW {
            self.begin(rows)?;
        }
        Ok(())
    }

    /// The file is at its end.
    ///
    /// # Errors
    ///
    /// As before.
    pub(super) fn finish(&mut self, rows: &mut Vec<Row>) -> Result<(), Problem> {
        if self.head.is_some() {
            self.begin(rows)?;
        }
        if self.begins.is_some() {
            // No bytes are the end.
            self.step(&[], rows)?;
        }
        Ok(())
    }

    fn begin(&mut self, rows: &mut Vec<Row>) -> Result<(), Problem> {
        let head = self.head.take().unwrap_or_default();
        let marked = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
        let first = marked.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let often = |separator: &u8| first.iter().filter(|byte| *byte == separator).count();
        // Of equals the last counts.
        let separator = [b'\t', b';', b','].into_iter().max_by_key(often).unwrap_or(b',');
        self.core = ReaderBuilder::new().delimiter(separator).build();
        let marked = marked.to_vec();
        self.read(&marked, rows)
    }

    fn read(&mut self, mut bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), Problem> {
        while !bytes.is_empty() {
            let consumed = self.step(bytes, rows)?;
            bytes = &bytes[consumed..];
        }
        Ok(())
    }

    /// Goes on to the end of a row, or of the bytes. Answers how many were taken.
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
                    "the row on line {line} has more than {LONGEST_ROW} bytes or {MOST_CELLS} cells; is a quotation \
                     mark missing?"
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
        let mut from = 0;
        let cells = self.ends[..self.used.1].iter().map(|end| {
            let cell = std::str::from_utf8(&self.cells[from..*end]).ok().map(str::to_owned);
            from = *end;
            cell
        });
        let cells = cells.collect();
        self.used = (0, 0);
        Row { line: self.begins.take().unwrap_or(self.line), cells, sum: self.sum.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8], at_once: usize) -> Vec<(u64, Vec<String>)> {
        let (mut reader, mut rows) = (Rows::new(), Vec::new());
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
    fn cells_that_are_not_utf_8_are_none_and_rows_have_a_bound() {
        let (mut reader, mut rows) = (Rows::new(), Vec::new());
        reader.push(b"email,name\na@example.com,J\xf6rg\nb@example.com,Bob\n", &mut rows).unwrap();
        assert_eq!(rows[1].cells, None);
        assert_eq!(rows[2].line, 3);
        let endless = format!("email\n\"{}", "x".repeat(70_000));
        assert!(Rows::new().push(endless.as_bytes(), &mut rows).is_err());
    }

    #[test]
    fn the_sum_tells_files_apart_row_by_row() {
        let sums = |text: &str| {
            let (mut reader, mut rows) = (Rows::new(), Vec::new());
            reader.push(text.as_bytes(), &mut rows).unwrap();
            reader.finish(&mut rows).unwrap();
            rows.into_iter().map(|row| row.sum).collect::<Vec<_>>()
        };
        let (one, other) = (sums("a\nb\nc\n"), sums("a\nb\nd\n"));
        assert_eq!(one[..2], other[..2]);
        assert_ne!(one[2], other[2]);
    }
}
