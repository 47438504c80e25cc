//! Where everything stands in the drawing of a cluster: regions as columns on a wide screen and as bands on a narrow one,
//! one card per node, the router as a bar on top, and paths that never cross a card. Nodes keep their declared place when
//! roles change, so that a tired eye finds them where they were.

/// How the drawing is arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Regions beside each other.
    Columns,
    /// Regions below each other, one card wide.
    Bands,
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    pub regions: Vec<Region>,
    /// Indices into the cards, counted over all regions in order.
    pub flows: Vec<Flow>,
    /// Cards the router sends clients to; `None` while that is not known.
    pub routed: Option<Vec<usize>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    pub name: String,
    /// How many cards stand in it.
    pub cards: usize,
}

/// WAL that flows, or should, from one card to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    pub from: usize,
    pub to: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub x: i32,
    pub y: i32,
}

/// A path with the place of its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub points: Vec<Point>,
    pub label: Point,
    /// How the label hangs on its point.
    pub anchor: &'static str,
}

impl Line {
    /// The SVG path data.
    pub fn path(&self) -> String {
        let mut text = String::new();
        for (index, point) in self.points.iter().enumerate() {
            text.push_str(&format!("{}{} {}", if index == 0 { "M" } else { "L" }, point.x, point.y));
        }
        text
    }
}

/// The finished geometry; lists have the order of the topology's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub width: i32,
    pub height: i32,
    pub router: Area,
    pub regions: Vec<Area>,
    pub cards: Vec<Area>,
    pub flows: Vec<Line>,
    /// One per routed card.
    pub routes: Vec<Line>,
}

/// Lengths of one shape, in drawing units (one is one CSS pixel at natural size).
struct Measure {
    card_width: i32,
    card_height: i32,
    /// Between cards of one region; holds the label of a flow.
    gap: i32,
    /// Between regions; holds the label of a flow.
    gutter: i32,
    /// Between a region's edge and its cards, left and right.
    left: i32,
    right: i32,
    /// From a region's top edge to its first card; holds the region's name.
    head: i32,
    foot: i32,
    router_height: i32,
    router_gap: i32,
}

const COLUMNS: Measure =
    Measure { card_width: 240, card_height: 100, gap: 56, gutter: 128, left: 36, right: 36, head: 40, foot: 20, router_height: 48, router_gap: 40 };
const BANDS: Measure =
    Measure { card_width: 286, card_height: 100, gap: 36, gutter: 12, left: 36, right: 28, head: 60, foot: 16, router_height: 64, router_gap: 20 };

/// Lays a topology out.
pub fn lay_out(topology: &Topology, shape: Shape) -> Layout {
    let measure = match shape {
        Shape::Columns => COLUMNS,
        Shape::Bands => BANDS,
    };
    let (regions, cards) = place(topology, shape, &measure);
    let width = regions.iter().map(|area| area.x + area.width).max().unwrap_or(measure.card_width);
    let height = regions.iter().map(|area| area.y + area.height).max().unwrap_or(measure.router_height);
    let router = Area { x: 0, y: 0, width, height: measure.router_height };
    let columns: Vec<usize> = topology.regions.iter().enumerate().flat_map(|(index, region)| std::iter::repeat_n(index, region.cards)).collect();
    let flows = topology.flows.iter().filter(|flow| flow.from < cards.len() && flow.to < cards.len());
    let flows = flows.map(|flow| match shape {
        Shape::Columns => flow_between_columns(&measure, &cards, &columns, flow),
        Shape::Bands => flow_along_lane(&cards, flow),
    });
    let flows = flows.collect();
    let routed = topology.routed.iter().flatten().filter(|card| **card < cards.len());
    let routes = routed.map(|card| route_to(shape, &router, &cards, *card)).collect();
    Layout { width, height, router, regions, cards, flows, routes }
}

fn place(topology: &Topology, shape: Shape, measure: &Measure) -> (Vec<Area>, Vec<Area>) {
    let own_height = |count: usize| {
        let count = i32::try_from(count.max(1)).unwrap_or(i32::MAX);
        measure.head + count * measure.card_height + (count - 1) * measure.gap + measure.foot
    };
    let tallest = topology.regions.iter().map(|region| own_height(region.cards)).max().unwrap_or(0);
    let (mut x, mut y) = (0, measure.router_height + measure.router_gap);
    let (mut regions, mut cards) = (Vec::new(), Vec::new());
    for region in &topology.regions {
        let height = match shape {
            Shape::Columns => tallest,
            Shape::Bands => own_height(region.cards),
        };
        let area = Area { x, y, width: measure.left + measure.card_width + measure.right, height };
        for index in 0..region.cards {
            let index = i32::try_from(index).unwrap_or(i32::MAX);
            cards.push(Area {
                x: x + measure.left,
                y: y + measure.head + index * (measure.card_height + measure.gap),
                width: measure.card_width,
                height: measure.card_height,
            });
        }
        match shape {
            Shape::Columns => x += area.width + measure.gutter,
            Shape::Bands => y += area.height + measure.gutter,
        }
        regions.push(area);
    }
    (regions, cards)
}

/// Below each other: straight from edge to edge for neighbours, else through the lane left of the cards. Beside each
/// other: out of the side, through the gutter next to the target, into its side. Across columns in between: through the
/// space below the router, above all cards.
fn flow_between_columns(measure: &Measure, cards: &[Area], columns: &[usize], flow: &Flow) -> Line {
    let (from, to) = (cards[flow.from], cards[flow.to]);
    let middle = |area: Area| area.y + area.height / 2;
    if columns[flow.from] == columns[flow.to] {
        return if flow.from.abs_diff(flow.to) == 1 {
            let x = from.x + from.width / 2;
            let (start, end) = if flow.from < flow.to { (from.y + from.height, to.y) } else { (from.y, to.y + to.height) };
            Line { points: vec![Point { x, y: start }, Point { x, y: end }], label: Point { x: x + 12, y: (start + end) / 2 + 4 }, anchor: "start" }
        } else {
            flow_along_lane(cards, flow)
        };
    }
    let rightwards = columns[flow.from] < columns[flow.to];
    let (start, end, turn) = if rightwards {
        (from.x + from.width, to.x, to.x - measure.left - measure.gutter / 2)
    } else {
        (from.x, to.x + to.width, to.x + to.width + measure.right + measure.gutter / 2)
    };
    let is_neighbour = columns[flow.from].abs_diff(columns[flow.to]) == 1;
    // On the side of the line that the turn does not come from.
    let from_above = !is_neighbour || middle(from) < middle(to);
    let label = Point { x: turn, y: if from_above { middle(to) + 20 } else { middle(to) - 10 } };
    if is_neighbour {
        let mut points = vec![Point { x: start, y: middle(from) }];
        if middle(from) != middle(to) {
            points.extend([Point { x: turn, y: middle(from) }, Point { x: turn, y: middle(to) }]);
        }
        points.push(Point { x: end, y: middle(to) });
        return Line { points, label, anchor: "middle" };
    }
    // Each target has a height of its own in that space, so that lines of different columns stay apart.
    let above = measure.router_height + 10 + 8 * i32::try_from(columns[flow.to] % 3).unwrap_or(0);
    let leave = if rightwards { start + 18 } else { start - 18 };
    let points = vec![
        Point { x: start, y: middle(from) },
        Point { x: leave, y: middle(from) },
        Point { x: leave, y: above },
        Point { x: turn, y: above },
        Point { x: turn, y: middle(to) },
        Point { x: end, y: middle(to) },
    ];
    Line { points, label, anchor: "middle" }
}

/// Out of the left side, along a lane left of all cards, into the left side; the label stands above the target.
fn flow_along_lane(cards: &[Area], flow: &Flow) -> Line {
    let (from, to) = (cards[flow.from], cards[flow.to]);
    let lane = from.x - 18;
    let (start, end) = (from.y + from.height / 2 + 8, to.y + to.height / 2);
    let points = vec![Point { x: from.x, y: start }, Point { x: lane, y: start }, Point { x: lane, y: end }, Point { x: to.x, y: end }];
    Line { points, label: Point { x: to.x, y: to.y - 10 }, anchor: "start" }
}

/// From the router's bar down to the card: into its top where nothing stands between, else along the lane on its right.
fn route_to(shape: Shape, router: &Area, cards: &[Area], card: usize) -> Line {
    let to = cards[card];
    let bottom = router.y + router.height;
    let covered = cards.iter().any(|other| other.x == to.x && other.y < to.y);
    let label = Point { x: to.x, y: bottom };
    if covered || shape == Shape::Bands {
        let lane = to.x + to.width + 14;
        let y = to.y + to.height / 2;
        Line { points: vec![Point { x: lane, y: bottom }, Point { x: lane, y }, Point { x: to.x + to.width, y }], label, anchor: "start" }
    } else {
        let x = to.x + to.width / 2;
        Line { points: vec![Point { x, y: bottom }, Point { x, y: to.y }], label, anchor: "start" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(cards: &[usize], flows: &[(usize, usize)], routed: &[usize]) -> Topology {
        Topology {
            regions: cards.iter().enumerate().map(|(index, cards)| Region { name: format!("region-{index}"), cards: *cards }).collect(),
            flows: flows.iter().map(|(from, to)| Flow { from: *from, to: *to }).collect(),
            routed: Some(routed.to_vec()),
        }
    }

    /// Whether a stretch of a line runs through the inside of a card.
    fn crosses(line: &Line, card: &Area) -> bool {
        line.points.windows(2).any(|pair| {
            let (left, right) = (pair[0].x.min(pair[1].x), pair[0].x.max(pair[1].x));
            let (top, bottom) = (pair[0].y.min(pair[1].y), pair[0].y.max(pair[1].y));
            left < card.x + card.width && right > card.x && top < card.y + card.height && bottom > card.y
        })
    }

    #[test]
    fn no_line_crosses_a_card_whichever_node_leads() {
        for shape in [Shape::Columns, Shape::Bands] {
            for cards in [&[2, 1][..], &[1, 1, 1], &[3, 2, 2], &[1, 4]] {
                let count: usize = cards.iter().sum();
                for leader in 0..count {
                    let flows: Vec<_> = (0..count).filter(|card| *card != leader).map(|card| (leader, card)).collect();
                    let layout = lay_out(&topology(cards, &flows, &[leader]), shape);
                    assert_eq!((layout.cards.len(), layout.flows.len(), layout.routes.len()), (count, count - 1, 1));
                    for line in layout.flows.iter().chain(&layout.routes) {
                        for card in &layout.cards {
                            assert!(!crosses(line, card), "{shape:?} {cards:?} leader {leader}: {line:?} crosses {card:?}");
                        }
                        let under = |pair: &[Point]| {
                            let (top, bottom) = (pair[0].y.min(pair[1].y), pair[0].y.max(pair[1].y));
                            line.anchor == "middle"
                                && pair[0].x == line.label.x
                                && pair[1].x == line.label.x
                                && (top..=bottom).contains(&(line.label.y - 5))
                        };
                        assert!(!line.points.windows(2).any(under), "{shape:?} {cards:?} leader {leader}: {line:?} runs through its label");
                        for point in &line.points {
                            assert!(point.x >= 0 && point.x <= layout.width && point.y >= 0 && point.y <= layout.height, "{point:?} lies outside");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn cards_stand_inside_their_regions_and_apart() {
        let layout = lay_out(&topology(&[2, 1, 0], &[], &[]), Shape::Columns);
        assert_eq!(layout.regions.len(), 3);
        for card in &layout.cards {
            assert!(layout.regions.iter().any(|region| card.x >= region.x && card.y >= region.y && card.y + card.height <= region.y + region.height));
        }
        assert!(layout.cards[1].y > layout.cards[0].y + layout.cards[0].height);
    }

    #[test]
    fn the_narrow_drawing_fits_a_phone() {
        let layout = lay_out(&topology(&[2, 1], &[(0, 1), (0, 2)], &[0]), Shape::Bands);
        assert!(layout.width <= 350, "{}", layout.width);
    }

    #[test]
    fn nothing_known_is_drawn_without_lines() {
        let layout = lay_out(&Topology { regions: vec![], flows: vec![Flow { from: 0, to: 1 }], routed: None }, Shape::Columns);
        assert!(layout.flows.is_empty() && layout.routes.is_empty());
    }
}
