//! The scripts under `tests/journeys`, and playing all of them through HTTP, several in parallel.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::compare::{difference, in_no_order};
use super::harness::{Harness as _, Unsupported};
use super::http::HttpHarness;
use super::play::play;
use super::script::Script;
use crate::host::Host;

/// A script and its file.
#[derive(Debug)]
pub struct Journey {
    /// The file.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// Its content.
    pub written: String,
    /// The same, read.
    pub script: Script,
}

impl Journey {
    /// All of them, in order of name.
    ///
    /// # Panics
    ///
    /// If one cannot be read.
    pub fn all() -> Vec<Self> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut paths: Vec<PathBuf> = std::fs::read_dir(tests.join("journeys"))
            .expect("the scripts are beside the tests")
            .map(|entry| entry.expect("a folder can be read to its end").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "journey"))
            .collect();
        paths.sort();
        paths.into_iter().map(|path| Self::read(path, &tests.join("../examples"))).collect()
    }

    fn read(path: PathBuf, examples: &Path) -> Self {
        let name = path.file_name().expect("it is a file").to_string_lossy().into_owned();
        let written = std::fs::read_to_string(&path).expect("it can be read");
        let script =
            Script::read(&written, examples).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { path, name, written, script }
    }
}

/// A player of journeys through HTTP, one after the other.
pub trait Player: Send {
    /// Where.
    type Host: Host;

    /// A host in which nothing has happened yet.
    fn host_for(&mut self, script: &Script) -> Self::Host;

    /// Checks what else must hold after a script with this result.
    ///
    /// # Errors
    ///
    /// What does not hold.
    fn look_behind(&self, _script: &Script, _came_out: &str) -> Result<(), String> {
        Ok(())
    }
}

/// Whether `stop` is played by a mass action. It names its job differently than the engine's world,
/// and goes through its contacts a second time two minutes later: the scripts are not yet compared
/// with that.
const STOPS: bool = false;

/// The result.
#[derive(Debug, Default)]
pub struct Played {
    /// The number of scripts played.
    pub played: usize,
    /// The others, each with the reasons.
    pub unsupported: BTreeMap<String, BTreeSet<Unsupported>>,
    /// Those with another result, with the differences.
    pub wrong: Vec<String>,
}

impl Played {
    /// Plays them, in parallel by all players.
    ///
    /// # Panics
    ///
    /// If a player panics.
    pub fn of<P: Player>(journeys: Vec<Journey>, players: Vec<P>) -> Self {
        let ahead = Mutex::new(journeys);
        let played = Mutex::new(Self::default());
        std::thread::scope(|scope| {
            for mut player in players {
                let (ahead, played) = (&ahead, &played);
                scope.spawn(move || {
                    while let Some(journey) = next(ahead) {
                        let one = one(&journey, &mut player);
                        played.lock().expect("no thread panics while holding it").add(one);
                    }
                });
            }
        });
        played.into_inner().expect("no thread panics while holding it")
    }

    fn add(&mut self, other: Self) {
        self.played += other.played;
        self.unsupported.extend(other.unsupported);
        self.wrong.extend(other.wrong);
    }
}

impl Display for Played {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (played, left_out) = (self.played, self.unsupported.len());
        writeln!(f, "{played} scripts were played through HTTP, {left_out} were not:")?;
        for reason in Unsupported::ALL {
            let of: Vec<&String> = self
                .unsupported
                .iter()
                .filter(|(_, reasons)| reasons.contains(&reason))
                .map(|(name, _)| name)
                .collect();
            writeln!(f, "  {}: {}", reason.words(), of.len())?;
            for name in of {
                writeln!(f, "    {name}")?;
            }
        }
        Ok(())
    }
}

fn next(ahead: &Mutex<Vec<Journey>>) -> Option<Journey> {
    ahead.lock().expect("no thread panics while holding it").pop()
}

fn one<P: Player>(journey: &Journey, player: &mut P) -> Played {
    let Journey { name, written, script, .. } = journey;
    let mut harness = HttpHarness::on(player.host_for(script), STOPS);
    let unsupported = harness.unsupported(script);
    if !unsupported.is_empty() {
        return Played { unsupported: [(name.clone(), unsupported)].into(), ..Played::default() };
    }
    let differs = match play(script, &mut harness) {
        Ok(came_out) => {
            let (one, other) = (in_no_order(written), in_no_order(&came_out));
            if one == other {
                player.look_behind(script, &came_out).err().map(|error| format!("  {error}"))
            } else {
                Some(difference(&one, &other))
            }
        }
        Err(error) => Some(format!("  {error}")),
    };
    let wrong = differs.map(|how| format!("{name}\n{how}"));
    Played { played: 1, wrong: wrong.into_iter().collect(), ..Played::default() }
}
