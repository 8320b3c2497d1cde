//! A line into commands, a command into words.

/// The commands of a line: separated by `;`. Since 1.5 a backslash takes that meaning away.
pub(super) fn commands(line: &str, escapes: bool) -> Vec<&str> {
    let mut commands = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if escapes => escaped = true,
            ';' => {
                commands.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    commands.push(&line[start..]);
    commands
}

/// The words of a command. A NUL ends it. Since 1.5 a backslash makes what follows it part of a
/// word, blanks too.
///
/// `prompt` and `quit` are what they are only without anything around them, be it a blank: HAProxy
/// does not know them otherwise.
pub(super) fn words(command: &str, escapes: bool) -> Vec<String> {
    let command = command.split('\0').next().unwrap_or("");
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = command.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\r' => words.extend(word.take()),
            '\\' if escapes => word.get_or_insert_default().extend(rest.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let stands_alone = |name: &str| command.trim_end_matches('\r') == name;
    match words.first().map(String::as_str) {
        Some(name @ ("prompt" | "quit")) if !stands_alone(name) => vec![command.to_owned()],
        _ => words,
    }
}

/// The number at the start of a text, as C reads it: 0 when there is none.
pub(super) fn number(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let value = digits[..end].bytes().fold(0_i64, |n, digit| {
        n.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_and_quit_stand_alone() {
        for (command, alone) in [
            ("quit", true),
            ("prompt\r", true),
            ("quit ", false),
            (" prompt", false),
            ("prompt x", false),
        ] {
            let known = ["quit", "prompt"].contains(&words(command, true)[0].as_str());
            assert_eq!(known, alone, "{command:?}");
        }
    }

    #[test]
    fn lines_and_words() {
        assert_eq!(commands("a;b ; c", true), ["a", "b ", " c"]);
        assert_eq!(commands("a\\;b", true), ["a\\;b"]);
        assert_eq!(commands("a\\;b", false), ["a\\", "b"]);
        assert_eq!(commands("a;", true), ["a", ""]);
        assert_eq!(words("  show\tinfo \r", true), ["show", "info"]);
        assert_eq!(words("get weight\0app/s1", true), ["get", "weight"]);
        assert_eq!(words("a\\ b\\\\c d\\", true), ["a b\\c", "d"]);
        assert_eq!(words("a\\ b", false), ["a\\", "b"]);
        for (text, value) in [("12", 12), ("-1x", -1), ("+5", 5), ("x", 0), ("", 0)] {
            assert_eq!(number(text), value, "{text}");
        }
        assert!(number("99999999999999999999999") > 1 << 60);
    }
}
