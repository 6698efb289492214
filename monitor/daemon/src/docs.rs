//! Holds the tables in docs/ to what the code says.

const START: &str = "<!-- generated: start -->\n";
const END: &str = "<!-- generated: end -->\n";

/// Compares the generated part of a file in docs/ with `table`; rewrites it when `MON_UPDATE_DOCS` is set.
pub(crate) fn check(file: &str, table: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(START).unwrap();
    let (current, tail) = rest.split_once(END).unwrap();
    if std::env::var_os("MON_UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{head}{START}{table}{END}{tail}")).unwrap();
    } else {
        assert!(current == table, "docs/{file} is out of date: run this test with MON_UPDATE_DOCS=1");
    }
}
