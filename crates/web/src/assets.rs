//! The stylesheet, the script and the mark, compiled in.

/// The stylesheet.
pub(crate) const CSS: &str = include_str!("../static/salus.css");
/// The one script.
pub(crate) const SCRIPT: &str = include_str!("../static/salus.js");
/// The mark in the window's tab.
pub(crate) const MARK: &str = include_str!("../static/mark.svg");

/// Where pages find the stylesheet.
pub(crate) const CSS_PATH: &str = "/static/salus.css";
/// Where pages find the script.
pub(crate) const SCRIPT_PATH: &str = "/static/salus.js";
