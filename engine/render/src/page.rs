//! What is printed.

use crate::RenderError;

/// How large the printed pages are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageSize {
    /// As the document's own `@page` rules say, A4 where they say nothing.
    #[default]
    Css,
    /// One page as large as the content, laid out in the width of A4 unless it fixes its own.
    Content,
}

/// A document to print.
#[derive(Clone, Copy, Debug)]
pub struct HtmlPage<'a> {
    /// The document, complete with its style; images and fonts as `data:` URLs.
    pub html: &'a str,
    /// How large its pages are.
    pub size: PageSize,
}

impl HtmlPage<'_> {
    /// The document with the content security policy in front of it, and `style` after it.
    pub(crate) fn guarded(&self, style: &str) -> Result<String, RenderError> {
        if self.html.trim().is_empty() {
            return Err(RenderError::Empty);
        }
        let (doctype, rest) = self.html.split_at(doctype_end(self.html));
        Ok([doctype, POLICY, rest, style].concat())
    }

    /// Whether something of it would hold for the next document shown in the same tab. What a
    /// `meta` element sets (policies, colour schemes) does; a mere `charset` sets nothing.
    pub(crate) fn leaves_traces(&self) -> bool {
        let html = self.html.to_ascii_lowercase();
        let metas = html.split("<meta").skip(1);
        metas
            .map(|rest| rest.split('>').next().unwrap_or(rest))
            .any(|meta| !meta.trim_start().starts_with("charset") || meta.contains("content"))
    }
}

/// Nothing but the document itself: its inline style, and images and fonts it carries.
const POLICY: &str = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
    style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'\">";

/// Where the doctype ends, 0 if there is none. What stands in front of a doctype disables it, and
/// the document would be laid out by the rules of the nineties.
fn doctype_end(html: &str) -> usize {
    let mut rest = html.trim_start_matches('\u{feff}').trim_start();
    while let Some(comment) = rest.strip_prefix("<!--") {
        let Some((_, after)) = comment.split_once("-->") else {
            return 0;
        };
        rest = after.trim_start();
    }
    let keyword = rest.get(..9).unwrap_or_default();
    match rest.find('>') {
        Some(end) if keyword.eq_ignore_ascii_case("<!doctype") => html.len() - rest.len() + end + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, before_policy: &str) {
        let size = PageSize::Css;
        let guarded = HtmlPage { html, size }.guarded("").unwrap();
        let (before, after) = guarded.split_once(POLICY).unwrap();
        assert_eq!(
            (before, [before, after].concat().as_str()),
            (before_policy, html)
        );
    }

    #[test]
    fn policy_stands_first_but_after_the_doctype() {
        check("<p>text", "");
        check("<!DOCTYPE html><p>text", "<!DOCTYPE html>");
        check(" \n<!doctype HTML>\n<html>", " \n<!doctype HTML>");
        check(
            "<!-- a > b --><!doctype html><p>",
            "<!-- a > b --><!doctype html>",
        );
        check("<!-- never ends <!doctype html><p>", "");
        check("<p><!doctype html>", "");
        check("Ünïcödé ¶ text", "");
    }

    #[test]
    fn metas_leave_traces() {
        let check = |html: &str, expected: bool| {
            let size = PageSize::Css;
            assert_eq!(HtmlPage { html, size }.leaves_traces(), expected, "{html}");
        };
        check("<p>text</p>", false);
        check("<META\n charset='utf-8'><p>text, content</p>", false);
        check(
            "<meta charset=utf-8><Meta name=color-scheme content=dark>",
            true,
        );
        check(
            "<meta/http-equiv=Content-Security-Policy content=\"default-src 'none'\">",
            true,
        );
        check("<meta charset=utf-8 name=color-scheme content=dark>", true);
        check("<meta", true);
    }

    #[test]
    fn nothing_is_not_a_page() {
        let size = PageSize::Css;
        let guarded = HtmlPage { html: " \n", size }.guarded("");
        assert!(matches!(guarded, Err(RenderError::Empty)));
    }
}
