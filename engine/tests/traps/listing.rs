//! Lists of backups that other tools print: what they say is read as it is, and what cannot be understood is no success.
//! pgBackRest's and restic's were recorded (2.45, 0.14); Barman's and WAL-G's follow their sources.

use crate::world::id;
use engine::{
    backups::{
        BackupType,
        listing::{Listed, Unreadable, read},
    },
    estate::ListingFormat::{self, Barman, Pgbackrest, Restic, WalG},
    id::PolicyId,
    time::Instant,
};
use proptest::prelude::*;

const PGBACKREST: &str = include_str!("listings/pgbackrest-2.45.json");
const RESTIC: &str = include_str!("listings/restic-0.14.json");
const BARMAN: &str = include_str!("listings/barman-3.json");
const WAL_G: &str = include_str!("listings/wal-g-detail.json");
const ALL: [(ListingFormat, &str); 4] = [(Pgbackrest, PGBACKREST), (Restic, RESTIC), (Barman, BARMAN), (WalG, WAL_G)];

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}
/// After all that was recorded.
fn later() -> Instant {
    at("2026-11-27T20:00:00Z")
}
fn of(format: ListingFormat, printed: &str) -> Vec<Listed> {
    read(format, printed.as_bytes(), later()).unwrap()
}

#[test]
fn pgbackrest_tells_of_every_repository_and_of_the_mark_that_it_carries() {
    let [one, two] = &of(Pgbackrest, PGBACKREST)[..] else { panic!("two") };
    assert_eq!((one.label.as_str(), one.kind, one.repository), ("20261127-135154F", BackupType::Full, Some(1)));
    assert_eq!((one.began, one.ended), (at("2026-11-27T13:51:54Z"), at("2026-11-27T13:51:56Z")));
    assert_eq!((one.bytes, one.source_bytes, one.version.as_deref()), (Some(2_812_442), Some(39_769_778), Some("2.45")));
    assert_eq!(one.mark.unwrap().to_string(), "01890a5d-ac96-774b-bcce-b302099a8057");
    assert_eq!((two.repository, two.mark), (Some(2), None));

    let damaged = PGBACKREST.replacen("\"error\":false", "\"error\":true", 1);
    assert!(of(Pgbackrest, &damaged)[0].broken.is_some() && of(Pgbackrest, &damaged)[1].broken.is_none());
    // As it prints them where there is no stanza, and where a stanza has no backup.
    let missing = r#"[{"archive":[],"backup":[],"cipher":"none","db":[],"name":"demo","repo":[],"status":{"code":1,"lock":{"backup":{"held":false}},"message":"missing stanza path"}}]"#;
    assert!(matches!(read(Pgbackrest, missing.as_bytes(), later()), Err(Unreadable::Refused { why, .. }) if why.contains("missing stanza path")));
    let empty = missing.replace("\"code\":1", "\"code\":2").replace("missing stanza path", "no valid backups");
    assert_eq!(of(Pgbackrest, &empty), []);
    let two_stanzas = format!("[{0},{1}]", missing.trim_matches(['[', ']']), empty.trim_matches(['[', ']']).replace("\"demo\"", "\"other\""));
    let told = read(Pgbackrest, two_stanzas.as_bytes(), later()).unwrap_err().to_string();
    assert!(told.contains("demo, other"), "{told}");
}

#[test]
fn restic_tells_when_a_snapshot_began_and_newer_ones_how_large_it_is() {
    let [one, two] = &of(Restic, RESTIC)[..] else { panic!("two") };
    assert_eq!((one.label.len(), one.kind, one.began), (64, BackupType::Snapshot, one.ended));
    assert_eq!(one.mark.unwrap().to_string(), "01890a5d-ac96-774b-bcce-b302099a8057");
    assert_eq!((two.mark, two.bytes), (None, None));
    let newer = RESTIC.replacen(
        "\"short_id\"",
        r#""program_version":"restic 0.17.3","summary":{"backup_start":"2026-11-27T13:53:51Z","backup_end":"2026-11-27T13:54:59Z","total_bytes_processed":3,"data_added_packed":900},"short_id""#,
        1,
    );
    let one = &of(Restic, &newer)[0];
    assert_eq!((one.ended, one.source_bytes, one.bytes), (at("2026-11-27T13:54:59Z"), Some(3), Some(900)));
}

#[test]
fn barman_tells_what_failed_by_the_clock_on_its_wall_and_leaves_out_what_runs() {
    let listed = of(Barman, BARMAN);
    let told: Vec<_> = listed.iter().map(|one| (one.label.as_str(), one.broken.is_some(), one.ended)).collect();
    assert_eq!(
        told,
        [
            ("20261124T030004", false, at("2026-11-24T02:02:10Z")),
            ("20261125T030004", false, at("2026-11-25T02:02:11Z")),
            // The wall is an hour ahead there.
            ("20261126T030004", true, at("2026-11-26T02:00:04Z")),
        ]
    );
    assert_eq!(listed[1].bytes, Some(31_457_280));
    assert!(read(Barman, BARMAN.replace("STARTED", "UNHEARD_OF").as_bytes(), later()).is_err());
    assert!(read(Barman, BARMAN.replace("\"end_time_timestamp\": \"1795572131\", ", "").as_bytes(), later()).is_err());
}

#[test]
fn wal_g_tells_what_builds_on_another_and_needs_its_details() {
    let listed = of(WalG, WAL_G);
    assert_eq!(listed.iter().map(|one| one.kind).collect::<Vec<_>>(), [BackupType::Full, BackupType::Incremental]);
    assert_eq!((listed[0].bytes, listed[0].source_bytes), (Some(4_096_000), Some(31_457_280)));
    let plain = WAL_G.replace("\"start_time\"", "\"other\"");
    assert!(read(WalG, plain.as_bytes(), later()).unwrap_err().to_string().contains("--detail"));
}

#[test]
fn what_cannot_be_makes_the_whole_list_say_nothing() {
    for (format, printed) in ALL {
        // The last byte is missing, something stands before it, it is of another tool, or it is of tomorrow.
        assert!(read(format, &printed.as_bytes()[..printed.trim_end().len() - 1], later()).is_err(), "{format:?}");
        assert!(read(format, format!("WARN: {printed}").as_bytes(), later()).is_err(), "{format:?}");
        for (other, of_another) in ALL.iter().filter(|(other, _)| *other != format) {
            assert!(read(format, of_another.as_bytes(), later()).is_err(), "{format:?} of {other:?}");
        }
        assert!(matches!(read(format, printed.as_bytes(), at("2020-01-01T00:00:00Z")), Err(Unreadable::Impossible { .. })), "{format:?}");
        assert!(read(format, b"", later()).is_err() && read(format, b"null", later()).is_err(), "{format:?}");
    }
    let twice = format!("[{0},{0}]", RESTIC.trim().trim_matches(['[', ']']));
    assert!(read(Restic, twice.as_bytes(), later()).unwrap_err().to_string().contains("twice"));
    let backwards = PGBACKREST.replacen("\"stop\":1795787516", "\"stop\":1795787500", 1);
    assert!(read(Pgbackrest, backwards.as_bytes(), later()).unwrap_err().to_string().contains("before it began"));
}

#[test]
fn the_same_backup_has_the_same_id_each_time_and_another_one_another() {
    let policy: PolicyId = id("daily");
    let (one, again) = (of(Pgbackrest, PGBACKREST), of(Pgbackrest, PGBACKREST));
    assert_eq!(one[0].id(&policy), again[0].id(&policy));
    assert_ne!(one[0].id(&policy), one[1].id(&policy));
    assert_ne!(one[0].id(&policy), one[0].id(&id("weekly")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is printed: no panic, and no backup that was not printed as one.
    #[test]
    fn arbitrary_bytes_are_no_success(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for (format, _) in ALL {
            if let Ok(listed) = read(format, &bytes, later()) {
                prop_assert!(listed.is_empty(), "{format:?}: {listed:?}");
            }
        }
    }

    /// One byte of a real list is another one: what is read then is whole, or nothing is.
    #[test]
    fn a_changed_byte_never_panics_and_invents_nothing(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for (format, printed) in ALL {
            let mut bytes = printed.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let known = of(format, printed);
            if let Ok(listed) = read(format, &bytes, later()) {
                prop_assert!(listed.len() <= known.len() + 1, "{format:?}: {listed:?}");
                prop_assert!(listed.iter().all(|one| one.began <= one.ended && one.ended <= later() + chrono::TimeDelta::minutes(5)));
            }
        }
    }
}
