//! Connections: set up, rotated and deleted (`calls`); what tools post to their URLs (`incoming`),
//! how that is read (`body`) and written (`perform`); and what arrived, for the person who set the
//! connection up (`received`). What was kept and not ended is done later (`unfinished`).

pub(in crate::api) mod body;
pub(in crate::api) mod calls;
pub(in crate::api) mod incoming;
pub(in crate::api) mod perform;
pub(in crate::api) mod received;
pub(in crate::api) mod shapes;
pub(in crate::api) mod unfinished;
