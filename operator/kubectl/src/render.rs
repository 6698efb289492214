//! Text for people, from a screen and nothing else.

mod members;
mod status;

pub(crate) use self::members::members;
pub(crate) use self::status::{alerts, status};

/// A table as kubectl has them: columns as wide as they must be, two blanks between them.
struct Table(Vec<Vec<String>>);

impl Table {
    fn new(header: &[&str]) -> Self {
        Self(vec![header.iter().map(|cell| (*cell).to_owned()).collect()])
    }

    fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.push(cells.to_vec());
    }

    fn text(&self) -> String {
        let wide = |column: usize| {
            let cells = self.0.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let mut text = String::new();
        for row in &self.0 {
            let pad = |(column, cell): (usize, &String)| format!("{cell:<width$}", width = wide(column));
            let line: Vec<_> = row.iter().enumerate().map(pad).collect();
            text.push_str(&format!("  {}\n", line.join("  ").trim_end()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Screen;

    /// `testdata/NAME.json` as `testdata/NAME.txt` has it; with `BLESS=1` the text is written.
    fn golden(name: &str) {
        let folder = format!("{}/testdata", env!("CARGO_MANIFEST_DIR"));
        let input = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
        let screen: Screen = serde_json::from_str(&input).unwrap();
        let made = format!("{}\n--- members\n{}", status(&screen), members(&screen));
        let path = format!("{folder}/{name}.txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let wanted = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(made, wanted, "{path} differs: run the test with BLESS=1 if that is meant");
    }

    #[test]
    fn full() {
        golden("full");
    }

    #[test]
    fn replacing() {
        golden("replacing");
    }

    #[test]
    fn lost() {
        golden("lost");
    }

    #[test]
    fn new() {
        golden("new");
    }
}
