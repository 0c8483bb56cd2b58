//! Every diagnostic code of the product with its slug, one line and its page: what `canary explain` prints.
//!
//! Each room keeps the table of its own codes ([`crate::syntax::codes`], [`super::codes`]); here they are one list. A page is
//! `docs/diagnostics/CODE.md`: what is wrong and why it matters, a wrong example and a right one.

use super::suggest;
use crate::syntax::codes::Code;

macro_rules! pages {
    ($($code:ident)*) => {
        &[$((
            stringify!($code),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/diagnostics/", stringify!($code), ".md")),
        )),*]
    };
}

/// The pages by code.
const PAGES: &[(&str, &str)] = pages! {
    E0101 E0102 E0103 E0104 E0105 E0106 E0107 E0108 E0109 E0110 E0111 E0112
    E0113 E0114 E0115 E0116 E0117 E0118 E0119 E0120 E0130
    E0201 E0202 E0203 E0204 E0205 E0206 E0207 E0208 E0209 E0210 E0211 E0212
    E0213
    E0301 E0302 E0303 E0304 E0305 E0306 E0307 E0308 E0309 E0310 E0311 E0312
    E0313 E0315 E0316 E0317 E0318 E0319 E0320 E0321
    E0401 E0402 E0403 E0404 E0405 E0406 E0407 E0408 E0409 E0410 E0411 E0416
    E0420 E0421 E0422 E0423 E0424 E0425 E0426 E0427 E0428 E0430 E0431 E0432 E0433
    E0434 E0435 E0436 E0437 E0438 E0440 E0441 E0442 E0443 E0444 E0445 E0480
    E0481 E0482 E0483 E0484 E0485 E0486 E0490
    E0501 E0502 E0503 E0504 E0505 E0506 E0507 E0508 E0509 E0510 E0511 E0512
    E0513 E0516 E0517 E0518 E0519 E0520 E0521
    W0601 W0602 W0613 W0690 W0691
};

/// All codes: of texts and syntax first, then of meaning, in the order of their tables.
pub fn all() -> impl Iterator<Item = &'static Code> {
    crate::syntax::codes::CODES.iter().chain(super::codes::CODES)
}

/// The entry of a code (in any case) or of a slug.
#[must_use]
pub fn find(code_or_slug: &str) -> Option<&'static Code> {
    all().find(|c| c.0.eq_ignore_ascii_case(code_or_slug) || c.1.eq_ignore_ascii_case(code_or_slug))
}

/// The page of a code, as Markdown.
#[must_use]
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|p| p.0 == code).map(|p| p.1)
}

/// All codes that have a page.
pub fn pages() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|p| p.0)
}

/// The code or slug nearest to a word that is neither, if one is near.
#[must_use]
pub fn near(word: &str) -> Option<&'static str> {
    let (upper, lower) = (word.to_ascii_uppercase(), word.to_ascii_lowercase());
    suggest::nearest(&lower, all().map(|c| c.1)).or_else(|| suggest::nearest(&upper, all().map(|c| c.0)))
}

/// A page for a terminal: examples are indented, the marks of Markdown go.
#[must_use]
pub fn plain(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut fenced = false;
    for line in page.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            out.push_str(if line.is_empty() { "" } else { "    " });
            out.push_str(line);
            out.push('\n');
        } else {
            out.push_str(line.strip_prefix("# ").unwrap_or(line));
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_any_case_and_by_slug() {
        for word in ["E0302", "e0302", "ratio-needs-percent", "Ratio-Needs-Percent"] {
            assert_eq!(find(word).map(|c| c.0), Some("E0302"), "{word}");
        }
        assert_eq!(find("no-such-code"), None);
        assert_eq!(near("ratio-need-percent"), Some("ratio-needs-percent"));
        assert_eq!(near("nonsense"), None);
    }

    #[test]
    fn every_page_belongs_to_a_code() {
        for code in pages() {
            assert!(all().any(|c| c.0 == code), "{code} is not registered");
        }
    }
}
