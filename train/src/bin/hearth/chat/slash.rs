//! Commands of a chat.

pub const HELP: &str = "/reset begins anew, /system TEXT sets the system's message, /undo takes the last message back, /quit or \
                        Ctrl-D ends, Ctrl-C stops an answer; a line that ends with \\ goes on in the next";

/// What a line with a slash asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Slash {
    Reset,
    /// Without a text, none is said.
    System(Option<String>),
    Undo,
    Quit,
    Help,
}

impl Slash {
    /// The command in a line; none where it is a message.
    ///
    /// # Errors
    /// A command that nobody knows.
    pub fn parse(line: &str) -> Result<Option<Self>, String> {
        let Some(command) = line.strip_prefix('/') else { return Ok(None) };
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        let found = match name {
            "reset" => Self::Reset,
            "system" => Self::System((!rest.is_empty()).then(|| rest.to_owned())),
            "undo" => Self::Undo,
            "quit" | "exit" => Self::Quit,
            "help" | "?" => Self::Help,
            _ => {
                return Err(format!(
                    "/{name} is no command: there are /reset, /system TEXT, /undo, /help and /quit; a message that begins with a \
                     slash gets a space before it"
                ));
            }
        };
        match found {
            Self::System(_) => Ok(Some(found)),
            found if rest.is_empty() => Ok(Some(found)),
            _ => Err(format!("/{name} takes nothing behind it, and here is {rest:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_beginning_is_a_command() {
        let parsed = |line: &str| Slash::parse(line).unwrap();
        assert_eq!([" /reset", "a /reset", "hello"].map(parsed), [None, None, None]);
        assert_eq!(parsed("/system Be  brief. "), Some(Slash::System(Some("Be  brief.".into()))));
        assert_eq!(parsed("/system"), Some(Slash::System(None)));
        assert_eq!(["/reset ", "/quit", "/?"].map(parsed), [Slash::Reset, Slash::Quit, Slash::Help].map(Some));
        assert!(Slash::parse("/resett").unwrap_err().starts_with("/resett is no command: there are /reset"));
        assert_eq!(Slash::parse("/undo 2").unwrap_err(), "/undo takes nothing behind it, and here is \"2\"");
    }
}
