//! The font families that the embedded templates name.

use std::collections::{BTreeMap, BTreeSet};

use super::{files::Files, style::ScriptFonts};

/// The families, in order of name, so that a machine can be checked for them.
#[must_use]
pub fn font_families() -> BTreeSet<String> {
    let files = Files::embedded();
    let fonts = files.get("styles/fonts.toml");
    let scripts: Option<BTreeMap<String, ScriptFonts>> =
        fonts.and_then(|file| toml::from_str(&file.text).ok());
    let scripts = scripts.unwrap_or_default();
    let families = scripts.values().flat_map(ScriptFonts::families);
    families.map(str::to_owned).collect()
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
