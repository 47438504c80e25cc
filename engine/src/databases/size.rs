//! Numbers of bytes in words.

/// Bytes with a unit: `0 B`, `812 B`, `1.5 KiB`, `16 MiB`. Exact below 1 KiB, one decimal above, rounded up: for bounds.
pub fn bytes_in_words(bytes: u64) -> String {
    in_words(bytes, Round::Up)
}

/// The same rounded down: for what is left.
pub fn room_in_words(bytes: u64) -> String {
    in_words(bytes, Round::Down)
}

enum Round {
    Up,
    Down,
}

fn in_words(bytes: u64, round: Round) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.into_iter().find(|(_, size)| bytes >= *size) {
        None => format!("{bytes} B"),
        Some((unit, size)) => {
            // In 128 bits, so that no size overflows.
            let (tenths, size) = (u128::from(bytes) * 10, u128::from(size));
            let tenths = match round {
                Round::Up => tenths.div_ceil(size),
                Round::Down => tenths / size,
            };
            if tenths.is_multiple_of(10) { format!("{} {unit}", tenths / 10) } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_rounded_up_and_room_down() {
        assert_eq!((bytes_in_words(1_025), room_in_words(2_047)), ("1.1 KiB".to_owned(), "1.9 KiB".to_owned()));
        assert_eq!((bytes_in_words(0), room_in_words(16 << 20)), ("0 B".to_owned(), "16 MiB".to_owned()));
    }
}
