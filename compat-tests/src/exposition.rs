//! A strict reader of Prometheus' text format: what real ones forgive is a mistake here.

use std::collections::{BTreeMap, HashSet};

/// One metric with all its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// `gauge` or `counter`.
    pub kind: String,
    /// The sentence about it.
    pub help: String,
    /// In the order of the text.
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// By name.
    pub labels: BTreeMap<String, String>,
    /// May be NaN.
    pub value: f64,
}

impl Family {
    /// The value of the sample with exactly these labels.
    pub fn value(&self, labels: &[(&str, &str)]) -> Option<f64> {
        let found = self.samples.iter().find(|sample| {
            sample.labels.len() == labels.len()
                && labels
                    .iter()
                    .all(|(name, value)| sample.labels.get(*name).is_some_and(|v| v == value))
        });
        found.map(|sample| sample.value)
    }

    /// The names of its labels.
    pub fn label_names(&self) -> Vec<&str> {
        let first = self.samples.first();
        first.map_or_else(Vec::new, |s| s.labels.keys().map(String::as_str).collect())
    }
}

/// Reads a whole text.
///
/// # Errors
/// The first line that is not as it should be: each metric has HELP, TYPE and its samples in this
/// order and in one piece, once; names and labels are well-formed; no sample comes twice; all samples
/// of a metric have the same labels; counters are not negative; the text ends with a line end.
pub fn read(text: &str) -> Result<Vec<Family>, String> {
    let mut families: Vec<Family> = Vec::new();
    let mut names = HashSet::new();
    let mut lines = (1..).zip(text.split_inclusive('\n')).peekable();
    while let Some((number, line)) = lines.next() {
        let fail = |why: &str| Err(format!("line {number}: {why}: {line}"));
        let Some(help) = line.strip_prefix("# HELP ") else {
            return fail("no HELP where a metric begins");
        };
        let Some((name, help)) = help.trim_end_matches('\n').split_once(' ') else {
            return fail("no sentence");
        };
        if !is_name(name) || help.is_empty() {
            return fail("not a name with a sentence");
        }
        if !names.insert(name) {
            return fail("a metric comes twice");
        }
        let kind = lines.next().and_then(|(_, line)| {
            let rest = line.strip_prefix("# TYPE ")?.strip_prefix(name)?;
            match rest {
                " gauge\n" => Some("gauge"),
                " counter\n" => Some("counter"),
                _ => None,
            }
        });
        let Some(kind) = kind else {
            return fail("TYPE does not follow");
        };
        let mut family = Family {
            name: name.to_owned(),
            kind: kind.to_owned(),
            help: help.to_owned(),
            samples: Vec::new(),
        };
        let mut seen = HashSet::new();
        while let Some((number, line)) = lines.next_if(|(_, line)| !line.starts_with('#')) {
            let sample =
                sample(line, name).map_err(|why| format!("line {number}: {why}: {line}"))?;
            if !seen.insert(sample.labels.clone()) {
                return Err(format!("line {number}: a sample comes twice: {line}"));
            }
            if kind == "counter" && sample.value < 0.0 {
                return Err(format!("line {number}: a negative counter: {line}"));
            }
            family.samples.push(sample);
        }
        let Some(first) = family.samples.first() else {
            return fail("a metric without samples");
        };
        let same = |s: &Sample| s.labels.keys().eq(first.labels.keys());
        if !family.samples.iter().all(same) {
            return fail("samples with other labels");
        }
        families.push(family);
    }
    Ok(families)
}

fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

fn sample(line: &str, name: &str) -> Result<Sample, &'static str> {
    let line = line.strip_suffix('\n').ok_or("no line end")?;
    let mut rest = line.strip_prefix(name).ok_or("another name")?;
    let mut labels = BTreeMap::new();
    if let Some(after) = rest.strip_prefix('{') {
        rest = after;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or("no label")?;
            if !is_name(label) {
                return Err("not the name of a label");
            }
            let (value, after) = quoted(after)?;
            if labels.insert(label.to_owned(), value).is_some() {
                return Err("a label comes twice");
            }
            if let Some(after) = after.strip_prefix(',') {
                rest = after;
            } else {
                rest = after.strip_prefix('}').ok_or("no end of labels")?;
                break;
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no blank before the value")?;
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
    if value != "NaN" && !value.chars().all(plain) {
        return Err("not a number");
    }
    let value = value.parse().map_err(|_| "not a number")?;
    Ok(Sample { labels, value })
}

/// Up to the closing quote.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match chars.next() {
                Some((_, '\\')) => '\\',
                Some((_, '"')) => '"',
                Some((_, 'n')) => '\n',
                _ => return Err("a backslash before something else"),
            }),
            c => value.push(c),
        }
    }
    Err("a quote is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\\\"\\\\\"} 2\n\
                    # HELP b B.\n# TYPE b gauge\nb NaN\n";
        let read_well = read(good).expect("good");
        assert_eq!(read_well[0].value(&[("x", "1\"\\")]), Some(2.0));
        assert_eq!(read_well[0].label_names(), ["x"]);
        assert!(read_well[1].value(&[]).is_some_and(f64::is_nan));
        assert_eq!(read(""), Ok(Vec::new()));
        let head = "# HELP a A.\n# TYPE a gauge\n";
        for bad in [
            "a 1\n",
            "# HELP a A.\na 1\n",
            "# HELP a A.\n# TYPE a gauge\n",
            "# HELP a A.\n# TYPE a histogram\na 1\n",
            "# HELP a A.\n# TYPE b gauge\nb 1\n",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for bad in [
            "a 1",
            "a  1\n",
            "a 1 \n",
            "a x\n",
            "a{} 1\n",
            "a{x=\"1\"} 1\na{x=\"1\"} 1\n",
            "a{x=\"1\"} 1\na 1\n",
            "a{x=\"1\",x=\"1\"} 1\n",
            "a{x=\"\\x\"} 1\n",
            "a{x=\"1} 1\n",
            "a{1x=\"1\"} 1\n",
            "b 1\n",
            "a 1\n\n",
            "a 1\n# HELP a A.\n# TYPE a gauge\na 1\n",
            "a 1\n# HELP b B.\n# TYPE b counter\nb -1\n",
        ] {
            assert!(read(&format!("{head}{bad}")).is_err(), "{bad}");
        }
    }
}
