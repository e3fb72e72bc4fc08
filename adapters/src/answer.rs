//! Who answers a delivery with a receipt, in one word for the system behind.

use broker_core::journal::{Book, Delivery};

/// `written`: it is answered already, and the system behind sends none; `expected`: the receiver answers;
/// `none`: it is a receipt, which is never answered.
pub(crate) const fn of(delivery: &Delivery) -> &'static str {
    match (delivery.book, delivery.receipt_written) {
        (Book::Receipt, _) => "none",
        (Book::Message, true) => "written",
        (Book::Message, false) => "expected",
    }
}
