//! People on the left, patients on the right, a line for each who looked: drawn on the server.

use super::view::{Looked, Looker, Why};
use crate::pages::words;

/// People or patients that are drawn; more are in the table.
const DRAWN_MAX: usize = 24;
/// Letters of a name that are drawn.
const LETTERS_MAX: usize = 34;
const STEP: usize = 22;
const TOP: usize = 16;

/// The picture.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    pub height: usize,
    pub left: Vec<Node>,
    pub right: Vec<Node>,
    pub lines: Vec<Line>,
    pub sentence: String,
}

/// A name at its height.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub y: usize,
    pub name: String,
}

/// A line between two heights.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub from: usize,
    pub to: usize,
    /// 1 to 4: how often.
    pub width: u32,
    /// It needs an explanation: drawn with gaps.
    pub open: bool,
    pub title: String,
}

impl Graph {
    /// Everybody who looked at one patient; `None`: nobody did.
    pub(crate) fn of_people(people: &[Looker], patient: &str) -> Option<Graph> {
        let ties = people.iter().map(|one| Tie {
            name: &one.name,
            looks: one.count.looks + one.count.refused,
            why: &one.why,
        });
        let (height, middle, nodes, lines) = fan(&ties.collect::<Vec<_>>())?;
        let lines = lines.into_iter().map(|(y, line)| Line {
            from: y,
            to: middle,
            ..line
        });
        Some(Graph {
            height,
            lines: lines.collect(),
            left: nodes,
            right: vec![Node {
                y: middle,
                name: short(&format!("patient {patient}")),
            }],
            sentence: said(people.len(), ("person or system", "people and systems")),
        })
    }

    /// Everybody whom one account looked at; `None`: nobody.
    pub(crate) fn of_patients(name: &str, patients: &[Looked]) -> Option<Graph> {
        let ties = patients.iter().map(|one| Tie {
            name: &one.patient,
            looks: one.count.looks + one.count.refused,
            why: &one.why,
        });
        let (height, middle, nodes, lines) = fan(&ties.collect::<Vec<_>>())?;
        let lines = lines.into_iter().map(|(y, line)| Line {
            from: middle,
            to: y,
            ..line
        });
        Some(Graph {
            height,
            lines: lines.collect(),
            left: vec![Node {
                y: middle,
                name: short(name),
            }],
            right: nodes,
            sentence: said(patients.len(), ("patient", "patients")),
        })
    }
}

/// One end of a line that starts at the one in the middle.
struct Tie<'a> {
    name: &'a str,
    looks: u64,
    why: &'a Why,
}

type Fan = (usize, usize, Vec<Node>, Vec<(usize, Line)>);

fn fan(ties: &[Tie<'_>]) -> Option<Fan> {
    let drawn = ties.len().min(DRAWN_MAX);
    if drawn == 0 {
        return None;
    }
    let y = |place: usize| TOP + place * STEP;
    let middle = (y(0) + y(drawn - 1)) / 2;
    let shown = || ties.iter().take(drawn).enumerate();
    let nodes = shown().map(|(place, tie)| Node {
        y: y(place),
        name: short(tie.name),
    });
    let lines = shown().map(|(place, tie)| {
        let times = words::count(tie.looks, "time", "times");
        let line = Line {
            from: 0,
            to: 0,
            width: 1 + tie.looks.max(1).ilog(4).min(3),
            open: !tie.why.mark.is_empty(),
            title: format!("{}: {times}, {}", tie.name, tie.why.words),
        };
        (y(place), line)
    });
    Some((y(drawn - 1) + TOP, middle, nodes.collect(), lines.collect()))
}

fn said(all: usize, (one, many): (&str, &str)) -> String {
    let count = words::capital(&words::count(all as u64, one, many));
    let rest = match all > DRAWN_MAX {
        true => format!(" The {DRAWN_MAX} latest are drawn."),
        false => String::new(),
    };
    format!("{count}; a thicker line is more looks, a broken line needs an explanation.{rest}")
}

fn short(name: &str) -> String {
    match name.chars().count() > LETTERS_MAX {
        true => format!(
            "{}\u{2026}",
            name.chars().take(LETTERS_MAX).collect::<String>()
        ),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::access::view::samples::{looked, lookers};

    #[test]
    fn a_picture_has_a_line_for_each_and_says_which_need_an_explanation() {
        let graph = Graph::of_people(&lookers(), "p-1").unwrap();
        assert_eq!((graph.left.len(), graph.right.len()), (3, 1));
        let open: Vec<bool> = graph.lines.iter().map(|line| line.open).collect();
        assert_eq!(open, [false, true, true]);
        assert!(graph.sentence.starts_with("3 people and systems"));
        let graph = Graph::of_patients("Anna", &looked()).unwrap();
        assert_eq!((graph.left.len(), graph.right.len()), (1, 2));
        assert!(Graph::of_people(&[], "p").is_none());
    }

    #[test]
    fn a_crowd_is_cut_and_the_sentence_says_so() {
        let many: Vec<Looker> = lookers().into_iter().cycle().take(100).collect();
        let graph = Graph::of_people(&many, "p-1").unwrap();
        assert_eq!(graph.left.len(), DRAWN_MAX);
        assert!(graph.sentence.contains("24 latest are drawn"));
    }
}
