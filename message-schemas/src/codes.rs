//! The code lists that this room relies on, as data: `codes/<oid>.csv`, one list a file.
//!
//! The first line of a file names its source and date, every other line is a code and its Norwegian text.
//! Lists grow without a new message version, so a code that is not here is passed through, never refused
//! (kith-messages §6.2); a list is here to give a known code its text.

/// The arc of the Norwegian code lists in health.
pub const ARC: &str = "2.16.578.1.12.4.1.1";

macro_rules! lists {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal;)+) => {
        /// A code list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum List {
            $($(#[doc = $doc])+ $name,)+
        }

        impl List {
            /// All lists there are.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The object identifier of the list.
            #[must_use]
            pub const fn oid(self) -> &'static str {
                match self { $(Self::$name => concat!("2.16.578.1.12.4.1.1.", $number),)+ }
            }

            const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("../codes/2.16.578.1.12.4.1.1.", $number, ".csv")),)+
                }
            }
        }
    };
}

lists! {
    /// Errors of a receipt (feilkoder).
    ReceiptError = "8221";
    /// Status of a receipt.
    ReceiptStatus = "8258";
    /// Roles of sender and receivers.
    ReceiverRole = "8112";
    /// Kinds of ids of persons.
    PersonId = "8116";
    /// Kinds of ids of organisations.
    OrganisationId = "9051";
    /// New, change, cancel (tjenestetype).
    ServiceType = "7309";
    /// Status of a report.
    ReportStatus = "7306";
    /// Status of a message: for test, approved or not.
    MessageStatus = "8323";
    /// Production, training, debugging.
    ProcessingStatus = "8213";
    /// How a document is referred to.
    DocumentReference = "8114";
    /// Disciplines of laboratory and imaging.
    Discipline = "8202";
    /// Urgency of a referral.
    Urgency = "8304";
    /// Sex.
    Sex = "3101";
    /// Functions of messages (meldingens funksjon).
    Function = "8279";
}

impl List {
    /// Where the list is from and of when.
    #[must_use]
    pub fn source(self) -> &'static str {
        self.text().lines().next().unwrap_or_default().trim_start_matches("# ")
    }

    /// Code and text of every entry.
    pub fn entries(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.text().lines().skip(1).filter_map(|line| line.split_once(','))
    }

    /// The text of a code.
    #[must_use]
    pub fn display(self, code: &str) -> Option<&'static str> {
        self.entries().find(|(known, _)| *known == code).map(|(_, text)| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_list_parses_and_names_its_source() {
        for list in List::ALL {
            let oid = list.oid();
            assert!(oid.starts_with(ARC), "{oid}");
            assert!(list.text().starts_with("# ") && list.source().contains("20"), "{oid}: source and date");
            let entries: Vec<_> = list.entries().collect();
            assert_eq!(entries.len() + 1, list.text().lines().count(), "{oid}: a line is no entry");
            let codes: HashSet<_> = entries.iter().map(|(code, _)| code).collect();
            assert_eq!(codes.len(), entries.len(), "{oid}: a code stands twice");
            assert!(entries.iter().all(|(c, t)| !c.is_empty() && c.trim() == *c && !t.is_empty()), "{oid}");
        }
    }

    #[test]
    fn every_file_is_a_list() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/codes");
        for file in std::fs::read_dir(folder).expect("the folder of lists") {
            let name = file.expect("a file").file_name().into_string().expect("a name");
            assert!(List::ALL.iter().any(|l| format!("{}.csv", l.oid()) == name), "{name}");
        }
    }
}
