//! The last hour of a target as a row of marks: low and green where it was well, taller the worse it was, and a broken line
//! where nobody looked. Height tells them apart without colour.

use engine::history::{Mark, Recent};

pub const WIDTH: i32 = MARK * Recent::MARKS as i32;
pub const HEIGHT: i32 = 12;
/// Width of one mark.
const MARK: i32 = 3;

/// All marks of one kind: one path, drawn with a pen of this width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strokes {
    pub class: &'static str,
    pub pen: i32,
    pub path: String,
}

/// The strokes of a word of marks, one letter each. Neighbours that are alike are one stroke, so an hour of health is one.
pub fn draw(letters: &str) -> Vec<Strokes> {
    let mut drawn: Vec<Strokes> = Vec::new();
    let marks: Vec<Mark> = letters.chars().map(Mark::from_letter).collect();
    let mut x = 0;
    for alike in marks.chunk_by(|a, b| a == b) {
        let (class, pen) = look(alike[0]);
        let width = MARK * i32::try_from(alike.len()).unwrap_or(0);
        // A pen draws to both sides of its line, and all stand on the same ground.
        let stroke = format!("M{x} {}h{width}", if class == "gap" { HEIGHT - 2 } else { HEIGHT - pen / 2 });
        match drawn.iter_mut().find(|strokes| strokes.class == class && strokes.pen == pen) {
            Some(strokes) => strokes.path.push_str(&stroke),
            None => drawn.push(Strokes { class, pen, path: stroke }),
        }
        x += width;
    }
    drawn
}

fn look(mark: Mark) -> (&'static str, i32) {
    match mark {
        Mark::Good => ("ok", 4),
        Mark::Complaint => ("watch", 6),
        Mark::SomeFailed => ("lost", 8),
        Mark::AllFailed => ("lost", 12),
        Mark::Gap => ("gap", 2),
    }
}

/// The same in words: “last hour: good 52 min, failing 4 min, not known 4 min”.
pub fn in_words(letters: &str) -> String {
    let part = Recent::PART.as_millis() / 60_000;
    let minutes = |wanted: fn(Mark) -> bool| part * letters.chars().filter(|letter| wanted(Mark::from_letter(*letter))).count() as u64;
    let counts = [
        ("failing", minutes(|mark| matches!(mark, Mark::SomeFailed | Mark::AllFailed))),
        ("complaining", minutes(|mark| mark == Mark::Complaint)),
        ("not known", minutes(|mark| mark == Mark::Gap)),
        ("good", minutes(|mark| mark == Mark::Good)),
    ];
    let said: Vec<String> = counts.iter().filter(|(_, minutes)| *minutes > 0).map(|(what, minutes)| format!("{what} {minutes} min")).collect();
    format!("last hour: {}", if said.is_empty() { "nothing recorded".to_owned() } else { said.join(", ") })
}

/// One word for several targets in one place: at each time the worst of them. What is not known is never better than good.
pub fn worst_of(tracks: &[Vec<Mark>]) -> String {
    let badness = |mark: &Mark| match mark {
        Mark::Good => 0,
        Mark::Gap => 1,
        Mark::Complaint => 2,
        Mark::SomeFailed => 3,
        Mark::AllFailed => 4,
    };
    let length = tracks.iter().map(Vec::len).max().unwrap_or(0);
    let worst = |at: usize| tracks.iter().map(|track| track.get(at).copied().unwrap_or(Mark::Gap)).max_by_key(badness).unwrap_or(Mark::Gap);
    (0..length).map(|at| worst(at).letter()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_health_is_one_stroke_and_all_stay_inside() {
        let healthy = draw(&"g".repeat(30));
        assert_eq!(healthy, [Strokes { class: "ok", pen: 4, path: format!("M0 10h{WIDTH}") }]);
        for strokes in draw("gggcccfffFFF---gggcccfffFFF---") {
            for stroke in strokes.path.split('M').skip(1) {
                let (from, length) = stroke.split_once('h').unwrap();
                let (x, y) = from.split_once(' ').unwrap();
                let [x, y, length] = [x, y, length].map(|number| number.parse::<i32>().unwrap());
                assert!(x >= 0 && x + length <= WIDTH && y - strokes.pen / 2 >= 0 && y + strokes.pen / 2 <= HEIGHT, "{strokes:?}");
            }
        }
    }

    #[test]
    fn f9_what_is_not_known_is_never_drawn_as_good() {
        assert!(draw("-g?x").iter().any(|strokes| strokes.class == "gap" && strokes.path.matches('M').count() == 2));
        assert!(draw(&"-".repeat(30)).iter().all(|strokes| strokes.class != "ok"));
        assert_eq!(worst_of(&[vec![Mark::Good], vec![Mark::Gap]]), "-");
        assert_eq!(in_words(&"-".repeat(30)), "last hour: not known 60 min");
        assert_eq!(in_words(&["g".repeat(26), "F".repeat(2), "-".repeat(2)].concat()), "last hour: failing 4 min, not known 4 min, good 52 min");
    }
}
