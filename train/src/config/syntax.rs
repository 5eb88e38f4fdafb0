//! Text that is not TOML: each line at fault, and what its writer may have meant.

use toml::Table;

/// Lines that are told at most.
const MOST: usize = 20;

/// The table that a text says.
///
/// # Errors
/// A sentence for each line that is not TOML, as far as what follows can be read without it.
pub(super) fn parse(text: &str) -> Result<Table, Vec<String>> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let mut told: Vec<(usize, String)> = Vec::new();
    let in_order = |mut told: Vec<(usize, String)>| {
        told.sort_by_key(|(at, _)| *at);
        told.into_iter().map(|(at, said)| format!("line {}: {said}", at + 1)).collect()
    };
    loop {
        let error = match lines.join("\n").parse::<Table>() {
            Ok(table) if told.is_empty() => return Ok(table),
            Ok(_) => return Err(in_order(told)),
            Err(error) => error,
        };
        let start = error.span().map_or(0, |span| span.start);
        let at = position(&lines, start);
        let meant = meant(lines[at]);
        let goes_on = meant.is_some() && told.len() + 1 < MOST;
        told.push((at, meant.unwrap_or_else(|| error.message().trim().replace('\n', " "))));
        if !goes_on {
            return Err(in_order(told));
        }
        lines[at] = "";
    }
}

/// The line that has the byte at `start`; an error at the end of a line is of that line.
fn position(lines: &[&str], start: usize) -> usize {
    let mut end = 0;
    let of_line = |line: &&str| {
        end += line.len() + 1;
        start < end
    };
    lines.iter().position(of_line).unwrap_or(lines.len() - 1)
}

/// What is wrong with a line, where it is one of the slips that people make.
fn meant(line: &str) -> Option<String> {
    let line = line.trim();
    let Some((name, value)) = line.split_once('=') else {
        let (name, value) = line.split_once(':')?;
        return Some(format!("{line}: write {} = {}", name.trim(), value.trim()));
    };
    let (name, value) = (name.trim(), value.split(" #").next().unwrap_or_default().trim());
    // A value that is right by itself is not what is wrong.
    if format!("value = {value}").parse::<Table>().is_ok() {
        return None;
    }
    let is_word = |text: &str| text.chars().all(|it| it.is_alphanumeric() || "-_./~+:\\ ".contains(it));
    match value {
        "" => Some(format!("{name} has no value")),
        "True" | "False" | "TRUE" | "FALSE" | "yes" | "no" | "on" | "off" => {
            Some(format!("{name} = {value}: write true or false"))
        }
        "None" | "null" | "none" | "nil" => Some(format!("{name} = {value}: leave the line out for the default")),
        _ if value.starts_with('"') && value.contains('\\') => {
            Some(format!("{name} = {value}: a \\ is written twice between \" and \", or once between ' and '"))
        }
        _ if is_word(value)
            && value.starts_with(|it: char| it.is_ascii_digit() || "+-.".contains(it))
            && !value.contains('/') =>
        {
            Some(format!(
                "{name} = {value}: is no number; a number has no unit, and a text stands in quotes: {name} = \"{value}\""
            ))
        }
        _ if is_word(value) => Some(format!("{name} = {value}: a text stands in quotes: {name} = \"{value}\"")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_in_words_all_at_once() {
        let text = "[data]\ntext = input.txt\n[model]\nlayers: 4\n[batch]\nmicro_batch = 4k # many\naccumulation =\n";
        let told = parse(text).unwrap_err();
        assert_eq!(
            told,
            [
                "line 2: text = input.txt: a text stands in quotes: text = \"input.txt\"",
                "line 4: layers: 4: write layers = 4",
                "line 6: micro_batch = 4k: is no number; a number has no unit, and a text stands in quotes: micro_batch = \"4k\"",
                "line 7: accumulation has no value",
            ]
        );
        let of = |text: &str| parse(text).unwrap_err().join("; ");
        assert_eq!(of("tied = True"), "line 1: tied = True: write true or false");
        assert_eq!(of("x = None"), "line 1: x = None: leave the line out for the default");
        assert!(of("text = \"C:\\data\\input.txt\"").ends_with("or once between ' and '"));
        assert!(of("seed = 1\nseed = 2").starts_with("line 2: duplicate key"));
        assert!(of("[data\n").starts_with("line 1: "));
    }
}
