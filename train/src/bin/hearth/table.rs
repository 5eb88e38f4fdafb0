//! Tables of text.

use std::io::{self, Write};

/// Writes rows under one another, each column as wide as its widest cell; those whose numbers are in `right` are set to the
/// right. A row of one cell is a line of its own.
pub fn write(rows: &[Vec<String>], right: &[usize], out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |column: usize| rows.iter().filter(|row| row.len() > 1).filter_map(move |row| row.get(column));
    let widths: Vec<usize> =
        (0..columns).map(|column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            line += &if right.contains(&column) { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") };
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A cell on one line that tells a terminal nothing: it may come from a file that is not ours.
fn printable(cell: &str) -> String {
    cell.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let rows = [
            vec!["run", "loss", "device"],
            vec!["é", "2.5"],
            vec!["a line of its own"],
            vec!["three", "10.25", "\u{1b}x"],
        ];
        let rows = rows.map(|row| row.into_iter().map(String::from).collect());
        let mut out = Vec::new();
        write(&rows, &[1], &mut out).unwrap();
        let expected = "run     loss  device\né        2.5\na line of its own\nthree  10.25  \u{fffd}x\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
