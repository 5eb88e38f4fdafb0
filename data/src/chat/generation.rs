//! `{% generation %}` blocks, which transformers adds to Jinja: what the assistant says stands in them.
//!
//! The engine has no tags of one's own. A block is what transformers makes of it, a call with a body, so the tags are rewritten
//! as those of one.

/// The function that a block calls.
pub(super) const FUNCTION: &str = "__generation__";

/// `source` with its blocks rewritten as calls of [`FUNCTION`]; none where it has no block.
pub(super) fn rewritten(source: &str) -> Option<String> {
    let mut text = String::with_capacity(source.len());
    let mut has_blocks = false;
    let mut rest = source;
    while let Some(start) = rest.find('{') {
        let (before, tag) = rest.split_at(start);
        text.push_str(before);
        let length = match tag.as_bytes().get(1) {
            Some(b'#') => tag.find("#}").map_or(tag.len(), |end| end + 2),
            Some(b'{') => expression(tag, "}}"),
            Some(b'%') => block(tag),
            _ => 1,
        };
        let (tag, after) = tag.split_at(length);
        let replaced = replaced(tag);
        has_blocks |= replaced.is_some();
        text.push_str(replaced.as_deref().unwrap_or(tag));
        rest = after;
    }
    text.push_str(rest);
    has_blocks.then_some(text)
}

/// The tag as one of a call, where it is one of a generation block.
fn replaced(tag: &str) -> Option<String> {
    let inner = tag.strip_prefix("{%")?.strip_suffix("%}")?;
    let name = inner.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
    let call = match name {
        "generation" => format!("call {FUNCTION}()"),
        "endgeneration" => "endcall".to_owned(),
        _ => return None,
    };
    Some(format!("{{%{}%}}", inner.replace(name, &call)))
}

/// Bytes of the tag that `tag` begins with; of a raw block, all of it.
fn block(tag: &str) -> usize {
    let length = expression(tag, "%}");
    if name_of(&tag[..length]) != "raw" {
        return length;
    }
    let mut end = length;
    while let Some(next) = tag[end..].find("{%") {
        end += next;
        let closing = tag[end..].find("%}").map_or(tag.len(), |close| end + close + 2);
        if name_of(&tag[end..closing]) == "endraw" {
            return closing;
        }
        end += 2;
    }
    tag.len()
}

fn name_of(tag: &str) -> &str {
    let inner = tag.trim_start_matches("{%").trim_end_matches("%}");
    inner.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim()
}

/// Bytes up to and with the `close` of what `tag` begins with: not one in a string, nor one that closes another bracket.
fn expression(tag: &str, close: &str) -> usize {
    let mut brackets = 0_usize;
    let mut quote = None;
    let mut bytes = tag.bytes().enumerate().skip(2);
    while let Some((at, byte)) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => drop(bytes.next()),
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, _) if brackets == 0 && tag.as_bytes()[at..].starts_with(close.as_bytes()) => {
                return at + close.len();
            }
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{' | b'[' | b'(') => brackets += 1,
            (None, b'}' | b']' | b')') => brackets = brackets.saturating_sub(1),
            (None, _) => {}
        }
    }
    tag.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tags_are_rewritten() {
        let source =
            "{# {% generation %} #}{% raw %}{% generation %}{% endraw %}{{ '{% generation %}' }}{{ {'a': {}}}}{";
        assert_eq!(rewritten(source), None);
        assert_eq!(
            rewritten("{{ '}}' }}{%- generation -%}é{%endgeneration+%}{% if a == '%}' %}").unwrap(),
            "{{ '}}' }}{%- call __generation__() -%}é{%endcall+%}{% if a == '%}' %}"
        );
    }
}
