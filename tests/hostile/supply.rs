//! What the program is made of has its reason in writing.

#[test]
fn each_dependency_has_its_reason() {
    let manifest = std::fs::read_to_string("Cargo.toml").unwrap();
    let page = std::fs::read_to_string("docs/dependencies.md").unwrap();
    let mut tables = manifest.split("\n[").filter(|table| table.contains("dependencies]"));
    let names: Vec<&str> = tables
        .by_ref()
        .flat_map(|table| table.lines().skip(1))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "say in docs/dependencies.md what {name} is for");
    }
}
