//! Connections: set up, rotated and deleted (`calls`), and what is asked for looked at (`asked`);
//! what tools post to their URLs (`incoming`), how that is read (`body`), what its names mean
//! (`naming`), which dates were lost (`lost_dates`), and how it is written (`perform`); and what
//! arrived, for the user who set the connection up (`received`). What was kept and not ended is
//! done later (`unfinished`).

pub(in crate::api) mod asked;
pub(in crate::api) mod body;
pub(in crate::api) mod calls;
pub(in crate::api) mod incoming;
pub(in crate::api) mod lost_dates;
pub(in crate::api) mod naming;
pub(in crate::api) mod perform;
pub(in crate::api) mod received;
pub(in crate::api) mod shapes;
pub(in crate::api) mod unfinished;
