//! The facts as a short story.
pub(super) fn tell(facts: &super::Facts, _width: Option<u16>) -> String {
    format!("{facts:#?}\n")
}
