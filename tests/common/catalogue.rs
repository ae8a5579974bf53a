//! The truths of the catalogue, as `docs/catalogue.md` has them; they are derived there by hand.

/// The sections that list cases: heading, and the cases by name with their truth. A row is ``| `name` | true | ..``.
pub fn sections() -> Vec<(String, Vec<(String, bool)>)> {
    let mut sections: Vec<(String, Vec<(String, bool)>)> = Vec::new();
    for line in include_str!("../../docs/catalogue.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            sections.push((heading.to_owned(), Vec::new()));
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        if let (Some((_, cases)), &[name, truth @ ("true" | "false"), ..]) = (sections.last_mut(), &cells[..])
            && let Some(name) = name.strip_prefix("| `").and_then(|name| name.strip_suffix('`'))
        {
            cases.push((name.to_owned(), truth == "true"));
        }
    }
    sections.retain(|(_, cases)| !cases.is_empty());
    sections
}

/// Every case with its truth.
pub fn truths() -> Vec<(String, bool)> {
    sections().into_iter().flat_map(|(_, cases)| cases).collect()
}
