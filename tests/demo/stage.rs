//! What the demo is played on: where messages go in, where the receiving systems are, and which brokers run between them.

use crate::story::Door;
use std::io;
use std::time::Duration;
use system_tests::drive::Region;

/// What a receiving system does with what it gets.
pub(crate) type Take = Box<dyn Fn(&[u8]) + Send + Sync>;

/// One form of the broker, with the ways in and out of it.
pub(crate) trait Stage: Send + Sync {
    /// The region, as seen by the broker that is asked how messages stand.
    fn region(&self) -> &Region;

    /// How long everything may take.
    fn patience(&self) -> Duration;

    /// Starts what runs.
    fn start(&self) -> io::Result<()>;

    /// A system sends a message: by what [`Stage::id`] knows it. `key` is the sender's own mark for it, `msg_id` its MsgId.
    fn offer(&self, key: &str, door: Door, msg_id: &str, bytes: &[u8]) -> io::Result<String>;

    /// For the table: by which door it went.
    fn door(&self, door: Door) -> &'static str;

    /// By which id the broker is asked for what was offered; none if it does not have it yet.
    fn id(&self, known_as: &str) -> Option<String>;

    /// A receiving system sends a receipt.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// The hospital, which was away, begins to take what it gets; `waiting` messages stand in the broker's books as waiting
    /// for it.
    fn open_hospital(&self, waiting: usize, take: Take) -> io::Result<()>;

    /// Half of the messages were offered.
    fn half_way(&self) -> io::Result<()> {
        Ok(())
    }

    /// All messages were offered.
    fn all_offered(&self) -> io::Result<()> {
        Ok(())
    }

    /// Time passes; `taken`: the broker has every message. What must have happened by the end has, if the answer is yes.
    fn tick(&self, _taken: bool) -> io::Result<bool> {
        Ok(true)
    }

    /// Why a broker ended by itself, if one did.
    fn ended(&self) -> io::Result<Option<String>>;

    /// Says how to go on from here.
    fn invite(&self);

    /// Waits until a broker ends by itself.
    fn wait(&self) -> io::Result<()>;

    /// Ends all that runs. True if the brokers drained and ended well.
    fn end(&self) -> io::Result<bool>;
}
