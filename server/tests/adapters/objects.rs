//! Destinations of backups in a bucket, against moto: what is put there is there, whole, and is gone when it is deleted.

use crate::moto::Moto;
use engine::id::DestinationId;
use server::{
    config::DestinationSettings,
    connect::objects::{Destination, sha256_of},
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

fn settings(moto: &Moto, bucket: &str) -> DestinationSettings {
    let options = [("endpoint", moto.url.as_str()), ("region", "us-east-1"), ("allow_http", "true")];
    let secrets = [("access_key_id", "id"), ("secret_access_key", "secret")];
    DestinationSettings {
        url: format!("s3://{bucket}/pg/daily"),
        options: options.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        secret_files: secrets.map(|(name, file)| (name.to_owned(), moto.place.path(file))).into(),
    }
}

#[tokio::test]
async fn a_bucket_takes_a_large_file_in_parts_and_gives_it_back_as_it_was() {
    let moto = Moto::open().await;
    moto.place.write("id", "AKIDEXAMPLE\n");
    moto.make_bucket("backups").await;
    let id: DestinationId = "west".parse().unwrap();
    let west = Destination::open(&id, &settings(&moto, "backups")).unwrap();
    west.answers().await.unwrap();
    // Three parts, the last one short.
    let file = moto.place.path("base.tar.zst");
    let bytes: Vec<u8> = (0..20_000_001_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&file, &bytes).unwrap();
    let told = AtomicU64::new(0);
    west.put("users-daily/1/base.tar.zst", &file, |sent| told.store(sent, Ordering::SeqCst)).await.unwrap();
    assert_eq!(told.load(Ordering::SeqCst), bytes.len() as u64);
    assert_eq!(west.length("users-daily/1/base.tar.zst").await.unwrap(), Some(bytes.len() as u64));
    assert_eq!(west.length("users-daily/1/pg_wal.tar").await.unwrap(), None);
    let back = moto.place.path("back");
    let hash = west.fetch("users-daily/1/base.tar.zst", &back, |_| ()).await.unwrap();
    assert_eq!((hash, std::fs::read(&back).unwrap() == bytes), (sha256_of(&file).unwrap(), true));
    // Only what is in the folder goes, and twice is no error.
    west.put("users-daily/10/base.tar.zst", &file, |_| ()).await.unwrap();
    for _ in 0..2 {
        west.delete_all("users-daily/1").await.unwrap();
    }
    assert_eq!(west.length("users-daily/1/base.tar.zst").await.unwrap(), None);
    assert!(west.length("users-daily/10/base.tar.zst").await.unwrap().is_some());
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_by_what_the_store_says_and_no_secret_is() {
    let moto = Moto::open().await;
    moto.place.write("id", "AKIDEXAMPLE\n");
    let west = Destination::open(&"west".parse().unwrap(), &settings(&moto, "nowhere")).unwrap();
    let file = moto.place.path("base");
    std::fs::write(&file, "x").unwrap();
    let said = format!("{:#}", west.put("a/b", &file, |_| ()).await.unwrap_err());
    assert!(
        !said.contains(crate::moto::SECRET) && (said.contains("NoSuchBucket") || said.contains("not exist") || said.contains("is not there")),
        "{said}"
    );
    let mut wrong = settings(&moto, "backups");
    wrong.secret_files = BTreeMap::from([("access_key_id".to_owned(), moto.place.path("missing"))]);
    let said = format!("{:#}", Destination::open(&"west".parse().unwrap(), &wrong).err().unwrap());
    assert!(said.contains("missing cannot be read"), "{said}");
    wrong = DestinationSettings { url: "ftp://backups".to_owned(), ..wrong };
    wrong.secret_files.clear();
    assert!(Destination::open(&"west".parse().unwrap(), &wrong).is_err());
}
