//! Where everything stands on the map of regions: a card per region, beside each other on a wide screen and below each
//! other on a narrow one, each with an arrow of clients coming in from above where clients are sent there.

use super::topology::{Area, Line, Point, Shape};

/// What is drawn of one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Lines of text below its head.
    pub lines: usize,
    /// Clients are sent there.
    pub served: bool,
}

/// The finished geometry; lists have the order of the regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub width: i32,
    pub height: i32,
    pub cards: Vec<Area>,
    /// The way of the clients into each card; `None` where none are sent there. The label stands beside it.
    pub arrows: Vec<Option<Line>>,
}

pub const LINE: i32 = 22;
/// From the top of a card to its first line of text.
pub const HEAD: i32 = 68;
const FOOT: i32 = 12;
/// Holds the arrow and its label.
const LANE: i32 = 34;
const GUTTER: i32 = 16;
const PER_ROW: usize = 4;

/// Lays the regions out. Cards of one row are equally high.
pub fn lay_out(regions: &[Region], shape: Shape) -> Layout {
    let (width, per_row) = match shape {
        Shape::Columns => (if regions.len() > 3 { 291 } else { 394 }, PER_ROW),
        Shape::Bands => (348, 1),
    };
    let (mut cards, mut arrows, mut top) = (Vec::new(), Vec::new(), 0);
    for row in regions.chunks(per_row) {
        let lines = row.iter().map(|region| region.lines).max().unwrap_or(0);
        let height = HEAD + LINE * i32::try_from(lines).unwrap_or(0) + FOOT;
        let mut x = 0;
        for region in row {
            let card = Area { x, y: top + LANE, width, height };
            arrows.push(region.served.then(|| {
                let down = x + 24;
                Line {
                    points: vec![Point { x: down, y: top + 2 }, Point { x: down, y: card.y - 2 }],
                    label: Point { x: down + 14, y: top + 21 },
                    anchor: "start",
                }
            }));
            cards.push(card);
            x += width + GUTTER;
        }
        top += LANE + height + GUTTER;
    }
    let right = cards.iter().map(|card| card.x + card.width).max().unwrap_or(width);
    Layout { width: right, height: (top - GUTTER).max(0), cards, arrows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_stand_apart_and_inside_and_arrows_end_at_their_card() {
        for shape in [Shape::Columns, Shape::Bands] {
            for count in 0..9 {
                let regions: Vec<_> = (0..count).map(|at| Region { lines: at % 4, served: at % 2 == 0 }).collect();
                let layout = lay_out(&regions, shape);
                assert_eq!((layout.cards.len(), layout.arrows.len()), (count, count));
                for (at, card) in layout.cards.iter().enumerate() {
                    assert!(card.x >= 0 && card.x + card.width <= layout.width && card.y + card.height <= layout.height);
                    for other in &layout.cards[at + 1..] {
                        assert!(
                            other.x >= card.x + card.width || other.x + other.width <= card.x || other.y >= card.y + card.height,
                            "{card:?} {other:?}"
                        );
                    }
                    if let Some(arrow) = &layout.arrows[at] {
                        assert!(arrow.points[1].y < card.y && arrow.points[1].x < card.x + card.width);
                    }
                }
            }
        }
    }

    #[test]
    fn the_narrow_map_fits_a_phone() {
        assert!(lay_out(&[Region { lines: 3, served: true }; 3], Shape::Bands).width <= 350);
    }
}
