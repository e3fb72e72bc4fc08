//! Components told in the text: each element by its name in Norwegian, in the order in which it was sent.
//!
//! The care and nursing families, and Henvisning from 1.1 on, are built from common components
//! (poKomponent, EPJ, felleskomponent). Most of them have no resource of their own; all of them are told.
//! What an element is called and how its content is read stands in [`super::labels`]. An element that is
//! not there stays unmarked, and is shown as it was sent under Annet innhold: nothing is left out because
//! it was unknown.

use super::codes;
use super::coverage::{Coverage, Outcome, part};
use super::labels::{Form, Labels, label};
use super::markup;
use super::narrative::Html;
use super::parties::Party;
use super::values::{Address, Amount, Code, Flag, Sourced, When, Words};
use super::words::{amount_text, code_text, when_words};
use crate::xml::Node;
use std::borrow::Cow;

/// Writes rows of a table, with a row of its own for the name of each group that has something in it.
struct Teller<'h, 'c> {
    labels: Labels,
    section: &'static str,
    html: &'h mut Html,
    coverage: &'c mut Coverage,
    /// Groups that are open; of those from `unnamed` on, the name is not written yet.
    open: Vec<String>,
    unnamed: usize,
    rows: usize,
}

enum Step<'t> {
    Open(Node<'t>),
    Close,
}

/// Tells a component, in a table; nothing where nothing of it is known.
pub(super) fn tell(top: Node<'_>, section: &'static str, html: &mut Html, coverage: &mut Coverage) {
    tell_all(std::iter::once(top), label, section, html, coverage);
}

/// Tells elements in one table, by the names that a family has for them.
pub(super) fn tell_all<'t>(
    nodes: impl Iterator<Item = Node<'t>>,
    labels: Labels,
    section: &'static str,
    html: &mut Html,
    coverage: &mut Coverage,
) {
    let mut teller = Teller { labels, section, html, coverage, open: Vec::new(), unnamed: 0, rows: 0 };
    let mut work: Vec<Step<'t>> = Vec::new();
    push(nodes, &mut work);
    while let Some(step) = work.pop() {
        match step {
            Step::Open(node) => teller.element(node, &mut work),
            Step::Close => {
                teller.open.pop();
                teller.unnamed = teller.unnamed.min(teller.open.len());
            }
        }
    }
    if teller.rows > 0 {
        html.raw("</tbody></table>");
    }
}

fn push<'t>(nodes: impl Iterator<Item = Node<'t>>, work: &mut Vec<Step<'t>>) {
    let from = work.len();
    work.extend(nodes.map(Step::Open));
    if let Some(new) = work.get_mut(from..) {
        new.reverse();
    }
}

/// `informasjonskategori`: under which heading the sender keeps a component (`Cave/allergier`, `Andre notater`), in words
/// of the sender's (EPJ-meta).
const CATEGORY: &str = "informasjonskategori";

/// The category of a component, if it has one.
pub(super) fn category<'t>(node: Node<'t>) -> Option<&'t str> {
    let found = node.attributes().find(|(namespace, name, _)| !namespace.is_empty() && *name == CATEGORY);
    found.map(|(.., value)| value.trim()).filter(|value| !value.is_empty())
}

/// The category of a component as a heading. Of anything but a note, whose only heading it may be, nothing where a heading
/// that it stands under says the same. Told either way.
pub(super) fn category_heading<'t>(
    node: Node<'t>,
    section: &'static str,
    above: &[String],
    coverage: &mut Coverage,
) -> Option<&'t str> {
    let category = category(node)?;
    coverage.tell_attribute(node, CATEGORY, section);
    let note = node.name() == "GenereltJournalnotat";
    let said = says(section, category) || above.iter().any(|heading| says(heading, category));
    (note || !said).then_some(category)
}

/// True if a heading has all words of another: `Cave og allergier` says `Cave/allergier`.
fn says(heading: &str, other: &str) -> bool {
    let heading = heading.to_lowercase();
    let of = |text: &str| {
        let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty() && *w != "og");
        parts.map(str::to_owned).collect::<Vec<_>>()
    };
    let words = of(&heading);
    of(&other.to_lowercase()).iter().all(|word| words.contains(word))
}

//= document-sharing §6.6
//# InfoReservasjon/ReservasjonOnske: narrative; withdrawn ones marked as withdrawn.
/// True if somebody has withdrawn it, or it was withdrawn at some time: one of the two is enough.
fn is_withdrawn(node: Node<'_>) -> bool {
    let says = |n: Node<'_>| match n.is_element() {
        true => n.attributes().any(|(namespace, _, value)| namespace.is_empty() && !value.trim().is_empty()),
        false => !n.own_text().trim().is_empty(),
    };
    let of = |e: &Node<'_>| matches!(e.name(), "TrukketTilbakeAv" | "TrukketTilbakeDato");
    node.elements().filter(of).any(|e| e.descendants().any(says))
}

/// `komponentID` and its like: keys in the sender's record system.
pub(super) fn component_keys(node: Node<'_>, coverage: &mut Coverage) {
    coverage.mark(node, part::OTHER, Outcome::Dropped, "key in the sender's record system");
}

impl Teller<'_, '_> {
    fn element<'t>(&mut self, node: Node<'t>, work: &mut Vec<Step<'t>>) {
        let Some((name, form)) = (self.labels)(node.name()) else { return };
        if form == Form::Group {
            component_keys(node, self.coverage);
            let category = category_heading(node, self.section, &self.open, self.coverage);
            let withdrawn = if is_withdrawn(node) { "Trukket tilbake" } else { "" };
            let parts = [withdrawn, name, category.unwrap_or_default()];
            self.open.push(parts.into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join(": "));
            work.push(Step::Close);
            push(node.elements(), work);
        } else if let Form::Keyed { key, value } = form {
            component_keys(node, self.coverage);
            self.keyed(name, node.child(key), node.child(value));
            let told = [node.child(key), node.child(value)];
            push(node.elements().filter(|e| !told.contains(&Some(*e))), work);
        } else if form == Form::Rich && markup::is_markup(node) {
            self.begin();
            self.html.raw("<tr><th>").text(name).raw("</th><td>");
            markup::sanitise(node, self.section, self.html, self.coverage);
            self.html.raw("</td></tr>");
        } else if let Some(text) = self.leaf(form, node) {
            self.row(name, &text);
        }
    }

    /// A row named by one child and filled by another.
    fn keyed(&mut self, name: &str, key: Option<Node<'_>>, value: Option<Node<'_>>) {
        let code = key.map(Code::read);
        if let Some(code) = &code {
            code.told(self.coverage, self.section);
        }
        let heading = code.as_ref().and_then(codes::heading).map(Cow::into_owned);
        let form = value.and_then(|v| (self.labels)(v.name())).map_or(Form::Words, |(_, form)| form);
        match (heading, value.and_then(|v| self.leaf(form, v))) {
            (Some(heading), Some(text)) => self.row(&heading, &text),
            (Some(one), None) | (None, Some(one)) => self.row(name, &one),
            (None, None) => {}
        }
    }

    /// What an element that holds no others says; none if that is nothing.
    fn leaf(&mut self, form: Form, node: Node<'_>) -> Option<String> {
        let text = match form {
            Form::Words | Form::Rich => self.words(node)?,
            // Not relevant is no grade.
            Form::Grade => {
                self.words(node).map(|w| if w == "9" { "9 (ikke relevant)".to_owned() } else { w })?
            }
            Form::Code => {
                let code = Code::read(node);
                code.told(self.coverage, self.section);
                let mut text = String::new();
                code_text(&code, &mut text);
                text
            }
            Form::Listed(list) => {
                let code = Code::read(node);
                code.told(self.coverage, self.section);
                codes::words_of_list(&code, list)?.into_owned()
            }
            Form::When => {
                let when = When::read(node)?;
                when.told(self.coverage, self.section);
                when_words(&when)
            }
            Form::Flag => match Flag::read(node) {
                Some(flag) => {
                    flag.told(self.coverage, self.section);
                    flag.words().to_owned()
                }
                // Anything else is told as it was sent.
                None => self.words(node)?,
            },
            Form::Amount => {
                let amount = Amount::read(node);
                amount.told(self.coverage, self.section);
                amount_text(&amount)
            }
            Form::Tele => {
                let tele = Address::read_typed(node).or_else(|| Address::read(node))?;
                tele.told(self.coverage, self.section);
                tele.value.into_owned()
            }
            Form::Any if node.attributes().any(|(ns, ..)| ns.is_empty()) => self.leaf(Form::Code, node)?,
            Form::Any => self.words(node)?,
            Form::Party => self.party(&Party::read(node)),
            Form::Organisation => self.party(&Party::read_organisation(node)),
            Form::Person => self.party(&Party::read_professional(node)),
            Form::Group | Form::Keyed { .. } => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    fn words(&mut self, node: Node<'_>) -> Option<String> {
        let words = Words::read(node)?;
        words.told(self.coverage, self.section);
        Some(words.value.into_owned())
    }

    fn party(&mut self, party: &Party<'_>) -> String {
        party.told(self.coverage, self.section);
        let mut text = String::new();
        party.describe(&mut text);
        text
    }

    fn row(&mut self, name: &str, text: &str) {
        self.begin();
        self.html.row(name, text);
    }

    /// The table, and the names of the groups that a row stands in.
    fn begin(&mut self) {
        if self.rows == 0 {
            self.html.raw("<table><tbody>");
        }
        self.rows += 1;
        for name in self.open.get(self.unnamed..).unwrap_or_default() {
            if !name.is_empty() {
                self.html.raw("<tr><th colspan=\"2\">").text(name).raw("</th></tr>");
            }
        }
        self.unnamed = self.open.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    fn told(xml: &str) -> (String, Vec<String>) {
        let tree = Tree::parse(xml, &Limits::default()).unwrap();
        let root = tree.root().unwrap();
        let mut coverage = Coverage::new(root, root, true);
        let mut html = Html::new();
        tell(root, "Prøve", &mut html, &mut coverage);
        let unread = coverage.unread(root, &tree).iter().map(|(n, _)| n.name().to_owned()).collect();
        (html.into_string(), unread)
    }

    #[test]
    fn groups_are_named_once_and_only_where_something_is_told() {
        let (html, unread) = told(
            "<OpplysningerAndreFaggrupper><InformasjonOmTime><BestiltKontrolltime>true</BestiltKontrolltime>
               <InformertOm/><StedTime>Oslo</StedTime></InformasjonOmTime><InformertOm/></OpplysningerAndreFaggrupper>",
        );
        assert_eq!(
            html,
            "<table><tbody><tr><th colspan=\"2\">Time</th></tr><tr><th>Bestilt</th><td>Ja</td></tr>\
             <tr><th>Sted</th><td>Oslo</td></tr></tbody></table>"
        );
        assert!(unread.is_empty(), "{unread:?}");
    }

    #[test]
    fn a_heading_names_the_row_of_its_note() {
        let (html, unread) = told(
            "<OpplysningerAndreFaggrupper><Journaltekst><Overskriftskode V='FU' DN='Funn' S='1.2'/><Notat>BT 120</Notat><Merknad>x</Merknad>
             </Journaltekst><Journaltekst><Overskriftskode V='FU' DN='Funn' S='1.2'/></Journaltekst></OpplysningerAndreFaggrupper>",
        );
        assert_eq!(
            html,
            "<table><tbody><tr><th>Funn</th><td>BT 120</td></tr><tr><th>Merknad</th><td>x</td></tr>\
             <tr><th>Notat</th><td>Funn</td></tr></tbody></table>"
        );
        assert!(unread.is_empty(), "{unread:?}");
    }

    #[test]
    fn a_heading_of_two_texts_has_both_and_a_status_is_what_its_code_says() {
        let (html, unread) = told(
            "<InfoAndreViktigeOpplysninger><Journaltekst><Overskriftskode V='4' OT='Egen tekst' DN='Luftsmitte' S='2.16.578.1.12.4.1.1.9143'/>
             <Notat>Tuberkulose</Notat></Journaltekst><InngaarIMultidose V='1' DN='Legemiddelet inngår'/></InfoAndreViktigeOpplysninger>",
        );
        assert_eq!(
            html,
            "<table><tbody><tr><th>Egen tekst (Luftsmitte)</th><td>Tuberkulose</td></tr><tr><th>Multidose</th>\
             <td>Legemiddeldosering inngår ikke i en multidose (Legemiddelet inngår)</td></tr></tbody></table>"
        );
        assert!(unread.is_empty(), "{unread:?}");
    }

    #[test]
    fn a_code_alone_is_told_with_the_text_of_its_list() {
        let (html, unread) = told(
            "<InfoAndreViktigeOpplysninger><Journaltekst><Overskriftskode V='4' S='2.16.578.1.12.4.1.1.9143'/>
             <Notat>Tuberkulose</Notat></Journaltekst><InngaarIMultidose V='1'/></InfoAndreViktigeOpplysninger>",
        );
        assert_eq!(
            html,
            "<table><tbody><tr><th>Luftsmitte/luftbåren smitte</th><td>Tuberkulose</td></tr>\
             <tr><th>Multidose</th><td>Legemiddeldosering inngår ikke i en multidose</td></tr></tbody></table>"
        );
        assert!(unread.is_empty(), "{unread:?}");
    }

    #[test]
    fn what_has_no_label_is_left_to_be_shown_as_it_was_sent() {
        let (html, unread) = told(
            "<OpplysningerAndreFaggrupper><Merknad>x<b>y</b></Merknad><Ukjent><Merknad>z</Merknad></Ukjent></OpplysningerAndreFaggrupper>",
        );
        assert_eq!(html, "<table><tbody><tr><th>Merknad</th><td>x</td></tr></tbody></table>");
        assert_eq!(unread, ["b", "Merknad"]);
    }

    #[test]
    fn depth_needs_no_stack() {
        let deep = format!("{}{}", "<Cave>".repeat(150), "</Cave>".repeat(150));
        let (html, unread) =
            told(&format!("<OpplysningerAndreFaggrupper>{deep}</OpplysningerAndreFaggrupper>"));
        assert!(html.is_empty() && unread.is_empty());
    }
}
