//! Where the keys and values of a document are in its text, for problems that are found later. For
//! a path that is not written it answers the place of the innermost key that is there, so a problem
//! always has a line and a column.

use super::node::{Content, Node, Path, PathSegment, Place};

/// Where the keys and values of a document are in its text.
#[derive(Debug, Clone)]
pub struct Places(pub(super) Node);

impl Places {
    /// The line and the column, from 1, of the value at a path that is written dotted, such as
    /// `then[2].post`; where nothing is written there, of the innermost key on the way.
    pub fn line_and_column(&self, path: &str) -> (u32, u32) {
        let place = self.of_value(&dotted(path));
        (place.line, place.column)
    }

    /// Whether something is written at this path.
    pub fn has(&self, path: &Path) -> bool {
        self.node(path).is_some()
    }

    /// The place of the value at this path, or of the innermost key on the way that is there.
    pub fn of_value(&self, path: &Path) -> Place {
        match self.node(path) {
            Some(node) => node.place,
            None => self.of_key(path),
        }
    }

    /// The place of the key that the path ends with, or of the innermost on the way that is there.
    pub fn of_key(&self, path: &Path) -> Place {
        let mut node = &self.0;
        let mut place = Place::BEGINNING;
        for segment in &path.0 {
            let Some((key, value)) = node.segment(segment) else {
                break;
            };
            place = key.map_or(value.place, |key| key.place);
            node = value;
        }
        place
    }

    /// The place of a character in the text at this path, if its style allows one to say.
    pub fn in_text(&self, path: &Path, line: u32, column: u32) -> Option<Place> {
        match &self.node(path)?.content {
            Content::Scalar(scalar) => scalar.place_of(line, column),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    fn node(&self, path: &Path) -> Option<&Node> {
        path.0.iter().try_fold(&self.0, |node, segment| Some(node.segment(segment)?.1))
    }
}

/// The path that a text writes, as [`Path`] displays it.
fn dotted(text: &str) -> Path {
    let mut segments = Vec::new();
    for part in text.split('.').filter(|part| !part.is_empty()) {
        let (key, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if !key.is_empty() {
            segments.push(PathSegment::Key(key.to_owned()));
        }
        let indices = indices.split(['[', ']']).filter_map(|index| index.parse().ok());
        segments.extend(indices.map(PathSegment::Index));
    }
    Path(segments)
}
