//! The font families that the embedded templates name.

use std::collections::BTreeSet;

use toml::Value;

use super::files::Files;

/// The families, in order of name, so that a machine can be checked for them.
#[must_use]
pub fn font_families() -> BTreeSet<String> {
    let files = Files::embedded();
    let fonts = files.get("styles/fonts.toml");
    let scripts: Option<toml::Table> = fonts.and_then(|file| toml::from_str(&file.text).ok());
    let mut families = BTreeSet::new();
    for script in scripts.iter().flat_map(toml::Table::values) {
        for key in ["pairings", "mono", "hand"] {
            for named in script
                .get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let pair = [named.get("heading"), named.get("body"), Some(named)];
                let names = pair.into_iter().flatten().filter_map(Value::as_str);
                families.extend(names.map(str::to_owned));
            }
        }
    }
    families
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_of_all_scripts() {
        let families = font_families();
        for family in ["Lato", "JetBrains Mono", "Dancing Script", "Amiri"] {
            assert!(families.contains(family), "{family}");
        }
    }
}
