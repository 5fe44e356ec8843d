//! Connections: ways in for tools that post by themselves, one for each tool.
//!
//! | module | holds |
//! |---|---|
//! | `understanding` | what a body means to a connection |
//! | `incoming` | the answer to that: contacts, objects, or why it is ignored or unusable |
//! | `tree` | a body as it came, and as it is read |
//! | `signature` | who sent it: signatures in constant time, and the age of a call |
//! | `mapping` | the connection's `map`: from places in a body to members of contacts or objects |
//! | `calendly`, `calcom`, `form` | one kind of connection each: from a body to `Incoming` |
//! | `stored` | a connection and a received call as they are stored |
//! | `store`, `received` | connections, and received calls, read and written |
//! | `told` | when what is known of a booking was told, if the contact has its date |
//! | `known` | the memory of a process: unknown URLs, and how many calls came |
//!
//! All but `store`, `received` and `told` are pure. What is received is stored before it is worked
//! on: nothing that a tool has sent is lost to a crash or to a wrong map.

mod calcom;
mod calendly;
mod form;
mod incoming;
mod known;
mod mapping;
mod received;
mod signature;
mod store;
mod stored;
mod told;
mod tree;
mod understanding;

pub(crate) use incoming::{Answered, BEGIN, Booking, Incoming, IncomingObject, Misfit, is_over};
pub(crate) use known::{KnownUrls, Rated};
pub(crate) use mapping::{OBJECT, Target, is_pointer, is_well_formed, says, target};
pub(crate) use received::{CallPlace, KeepOutcome, NewCall};
pub(crate) use signature::{signed_by, verify};
pub use store::Connections;
pub(crate) use store::{Unchanged, WithRevision};
pub(crate) use stored::{
    Bytes, CALLS_KEPT, CallOutcome, Connection, ContactOfCall, Kind, OVERLAP, ObjectOfCall,
    ReceivedCall, ReplacedSecret,
};
pub(crate) use told::KnownBooking;
pub(crate) use tree::Body;
pub(crate) use understanding::{is_outdated, understand};
