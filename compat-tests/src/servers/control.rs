//! The statistics socket of the proxy under test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::text::from_bytes;

/// Where to ask.
#[derive(Debug)]
pub(super) struct Control {
    path: PathBuf,
}

impl Control {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("sock"),
        }
    }

    /// The answer to a command; `None` when there is none.
    pub(super) async fn ask(&self, command: &str) -> Option<String> {
        let asked = async {
            let mut stream = UnixStream::connect(&self.path).await?;
            stream.write_all(format!("{command}\n").as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(from_bytes(&answer))
        };
        timeout(PATIENCE, asked).await.ok()?.ok()
    }

    /// Columns of a row, such as `be/a`, with blanks between.
    pub(super) async fn row(&self, name: &str, columns: &[String]) -> String {
        let table = self.ask("show stat").await.unwrap_or_default();
        let Some(row) = find(&table, name) else {
            return "absent".to_owned();
        };
        let value = |column: &String| match row.get(column.as_str()) {
            None => "no-column".to_owned(),
            // An asterisk marks the result of a check that is not the last one.
            Some(value) => match value.strip_prefix('*') {
                Some(value) => value.strip_prefix(' ').unwrap_or(value),
                None => value,
            }
            .to_owned(),
        };
        let shown = |value: String| {
            if value.is_empty() {
                "''".to_owned()
            } else {
                value
            }
        };
        let values: Vec<String> = columns.iter().map(value).map(shown).collect();
        values.join(" ")
    }
}

/// The row of that name, by column.
fn find<'a>(table: &'a str, name: &str) -> Option<BTreeMap<&'a str, &'a str>> {
    let (proxy, service) = name.split_once('/')?;
    let mut columns: Vec<&str> = Vec::new();
    let mut found = None;
    for line in table.lines() {
        if let Some(header) = line.strip_prefix("# ") {
            columns = header.split(',').collect();
            continue;
        }
        let fields: Vec<&str> = line.split(',').collect();
        if fields.len() > 5 && fields[0] == proxy && fields[1] == service {
            found = Some(columns.iter().copied().zip(fields).collect());
        }
    }
    found
}

const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_name() {
        let table = "# pxname,svname,qcur,qmax,scur,smax\nbe,a,1,2,3,4\nbe,b,5,6,7,8\n";
        let row = find(table, "be/b").expect("it is there");
        assert_eq!((row["pxname"], row["smax"]), ("be", "8"));
        assert_eq!(find(table, "be/c"), None);
    }
}
