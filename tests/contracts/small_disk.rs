//! A journal on a disk that really fills up: a small file system in memory, where the test may mount one.

use super::make::{With as _, at, claim, commit, destination, message, message_id, settlement};
use adapters::sqlite::{Mode, Options, SqliteStore};
use broker_core::lifecycle::Event;
use broker_core::ports::{Store as _, StoreError};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system; unmounted when dropped.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// None where the test has no right to mount.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={size}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        if mount.is_ok_and(|m| m.status.success()) {
            return Some(Self { folder });
        }
        println!("skipped: no right to mount a small disk");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let mount = Command::new("mount").args(["-o", &options]).arg(self.folder.path()).status();
        assert!(mount.expect("mount runs").success(), "{options}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.folder.path()).status());
    }
}

/// Takes all room there is.
fn fill(path: &Path) {
    let mut file = File::create(path).expect("a file");
    for portion in [1 << 20, 4096, 1] {
        while file.write_all(&vec![1; portion]).is_ok() {}
    }
}

async fn open(path: &Path) -> SqliteStore {
    let options = Options { keep_free_bytes: 0, ..Options::new(Mode::Run) };
    SqliteStore::open_with(path, options).await.expect("the journal opens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_everything_that_was_taken_in_still_goes_out() {
    let Some(disk) = Disk::mount("64m") else { return };
    let journal = disk.path("journal.db");
    let store = open(&journal).await;
    for n in 0..100 {
        let to_many = (0..20).fold(message(n), |entry, _| entry.to("folder:a"));
        commit(&store, to_many).await;
    }
    // What it has written so far goes from its log into the file, so that the log has no room of its own to offer.
    store.close().await;
    let store = open(&journal).await;
    assert!(disk.path("journal.db.reserve").exists());
    fill(&disk.path("others"));
    assert_eq!(store.commit(vec![message(1000).to("folder:a")]).await, Err(StoreError::Full));

    // One at a time, which is the most expensive way; far more than the log alone would have room for.
    let mut settled = 0;
    loop {
        let claimed = claim(&store, "folder:a", 1000, 4).await;
        if claimed.is_empty() {
            break;
        }
        for id in claimed {
            let settlement = settlement(id, Event::HandOver);
            assert_eq!(store.settle(&[settlement], at(1001)).await, Ok(1), "after {settled}");
            settled += 1;
        }
    }
    assert_eq!(settled, 2000);
    assert!(!disk.path("journal.db.reserve").exists(), "the disk was really full");
    assert_eq!(store.commit(vec![message(1000).to("folder:a")]).await, Err(StoreError::Full));
    assert!(store.body(message_id(1)).await.expect("a body").is_some());
    let ledger = store.ledger().await.expect("the books");
    assert!(ledger.balances());
    assert_eq!((ledger.messages.accepted, ledger.messages.states["handed_over"]), (2000, 2000));

    std::fs::remove_file(disk.path("others")).expect("room again");
    commit(&store, message(1000).to("folder:a")).await;
    assert!(disk.path("journal.db.reserve").exists(), "the reserve is back");
    assert_eq!(store.broken_link().await, Ok(None));
    store.close().await;
    assert_eq!(open(&journal).await.next_due(&destination("folder:a")).await, Ok(Some(at(1000))));
}

#[tokio::test]
async fn on_a_disk_that_cannot_be_written_the_start_says_so() {
    let Some(disk) = Disk::mount("64m") else { return };
    let journal = disk.path("journal.db");
    let store = open(&journal).await;
    commit(&store, message(1).to("folder:a")).await;
    store.close().await;
    disk.remount("ro");
    for mode in [Mode::Run, Mode::Admin, Mode::Read] {
        let refused = SqliteStore::open(&journal, mode).await.err();
        assert!(matches!(&refused, Some(StoreError::Unavailable(_))), "{mode:?}: {refused:?}");
        println!("{mode:?}: {refused:?}");
    }
    disk.remount("rw");
    assert_eq!(open(&journal).await.next_due(&destination("folder:a")).await, Ok(Some(at(1))));
}
