use super::file::stamp;
use super::*;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

struct Flags {
    folder: tempfile::TempDir,
    path: PathBuf,
}

fn flags(text: &str) -> Flags {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    std::fs::write(&path, text).unwrap();
    Flags { folder, path }
}

impl Flags {
    fn port(&self, key: &str, kind: FlagKind) -> FlagFile {
        FlagFile::new(Format::Json, &self.path, key, kind).unwrap()
    }
    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }
    /// Names in the folder.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn each_kind_is_read_and_set() {
    let f = flags("{\n  // steps\n  \"on\": false, \"step\": 1,\n  \"deep\": {\"share\": 50.0}\n}\n");
    let on = f.port("on", FlagKind::Bool);
    assert_eq!(on.read().await, Ok(Setting::Bool(false)));
    on.set(Setting::Bool(true)).await.unwrap();
    assert_eq!(on.read().await, Ok(Setting::Bool(true)));
    let step = f.port("step", FlagKind::Count);
    assert_eq!(step.read().await, Ok(Setting::Count(1)));
    step.set(Setting::Count(2)).await.unwrap();
    let share = f.port("deep/share", FlagKind::Ratio);
    assert_eq!(share.read().await, Ok(Setting::Share(0.5)));
    share.set(Setting::Share(0.07)).await.unwrap();
    assert_eq!(f.text(), "{\n  // steps\n  \"on\": true, \"step\": 2,\n  \"deep\": {\"share\": 7}\n}\n");
    // back to what was first read, in the spelling of then
    share.set(Setting::Share(0.5)).await.unwrap();
    assert!(f.text().contains("{\"share\": 50.0}"));
    assert_eq!(f.names(), [".x.json.lock", "x.json"]);
}

#[tokio::test]
async fn an_absent_key_comes_and_goes_without_a_trace() {
    let text = "{\n\t\"x\": 1, // keep\n}\n";
    let f = flags(text);
    let p = f.port("autonomy/acme/low", FlagKind::Bool);
    assert_eq!(p.read().await, Ok(Setting::Absent));
    p.set(Setting::Bool(true)).await.unwrap();
    assert_eq!(p.read().await, Ok(Setting::Bool(true)));
    // by another process, which knows nothing of this one
    let q = f.port("autonomy/acme/low", FlagKind::Bool);
    q.set(Setting::Absent).await.unwrap();
    assert_eq!(f.text(), text);
    q.set(Setting::Absent).await.unwrap();
    assert_eq!(f.text(), text);
}

#[tokio::test]
async fn mode_and_link_survive_and_an_equal_value_touches_nothing() {
    let f = flags("{\"a\": false}");
    std::fs::set_permissions(&f.path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let link = f.folder.path().join("link.json");
    symlink("x.json", &link).unwrap();
    let p = FlagFile::new(Format::Json, &link, "a", FlagKind::Bool).unwrap();
    p.set(Setting::Bool(true)).await.unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    let meta = std::fs::metadata(&f.path).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o640);
    assert_eq!(f.text(), "{\"a\": true}");
    assert_eq!(f.names(), [".x.json.lock", "link.json", "x.json"]);
    p.set(Setting::Bool(true)).await.unwrap();
    assert_eq!(stamp(&std::fs::metadata(&f.path).unwrap()), stamp(&meta));
}

#[tokio::test]
async fn errors_say_what_and_where_and_leave_everything() {
    let cases: [(&str, &str, FlagKind, &str); 8] = [
        ("", "a", FlagKind::Bool, "x.json:1:1: an object was expected, the file is empty"),
        ("\u{feff}{}", "a", FlagKind::Bool, "x.json:1:1: begins with a byte order mark"),
        ("{\n \"a\": tru\n}", "a", FlagKind::Bool, "x.json:2:7: "),
        ("{\"a\": 1, \"a\": 2}", "a", FlagKind::Count, "stands here a second time"),
        ("{\"a\": [1]}", "a/b", FlagKind::Count, "x.json:1:7: \"a\" was expected to be an object, here is a list"),
        (
            "{\"a\": \"on\"}",
            "a",
            FlagKind::Bool,
            "x.json:1:7: true or false was expected at a, here is the string \"on\"",
        ),
        ("{\"a\": 101}", "a", FlagKind::Ratio, "a percentage from 0 to 100 was expected at a, here is the number 101"),
        ("{\"a\": null}", "a", FlagKind::Count, "a whole number was expected at a, here is null"),
    ];
    for (text, key, kind, want) in cases {
        let f = flags(text);
        let p = f.port(key, kind);
        let to = match kind {
            FlagKind::Bool => Setting::Bool(true),
            FlagKind::Count => Setting::Count(1),
            FlagKind::Ratio => Setting::Share(0.1),
        };
        for e in [p.read().await.unwrap_err(), p.set(to).await.unwrap_err()] {
            assert!(e.message.contains(want) && !e.transient, "{text:?}: {e}");
        }
        assert_eq!(f.text(), text);
        assert!(!f.names().iter().any(|n| n.ends_with(".tmp")), "{:?}", f.names());
    }
    let f = flags("{}");
    let none = FlagFile::new(Format::Json, f.folder.path().join("no.json"), "a", FlagKind::Bool).unwrap();
    for e in [none.read().await.unwrap_err(), none.set(Setting::Bool(true)).await.unwrap_err()] {
        assert!(e.message.contains("no such file") && e.help.is_some() && !e.transient, "{e}");
    }
    let folder = FlagFile::new(Format::Json, f.folder.path(), "a", FlagKind::Bool).unwrap();
    assert!(folder.read().await.unwrap_err().message.contains("not an ordinary file"));
    std::fs::write(&f.path, b"{\"a\": \"\xff\"}").unwrap();
    let e = f.port("a", FlagKind::Bool).read().await.unwrap_err();
    assert!(e.message.ends_with("not UTF-8 at byte 7"), "{e}");
    assert!(FlagFile::new(Format::Json, "x", "a//b", FlagKind::Bool).is_err());
    let bool_port = f.port("a", FlagKind::Bool);
    assert!(bool_port.accepts(Setting::Share(0.5)).is_err());
    assert!(bool_port.accepts(Setting::Absent).is_ok());
}

#[tokio::test]
async fn a_held_lock_is_waited_for_a_while_and_its_holder_named() {
    let f = flags("{\"a\": false}");
    let holder = File::create(f.folder.path().join(".x.json.lock")).unwrap();
    holder.lock().unwrap();
    (&holder).write_all(b"process 4711\n").unwrap();
    let mut document = FlagDocument::new(Format::Json, &f.path, None);
    let inner = &mut Arc::get_mut(&mut document).unwrap().inner;
    Arc::get_mut(inner).unwrap().file.patience = Duration::from_millis(50);
    let p = document.flag("a", FlagKind::Bool, None).unwrap();
    let e = p.set(Setting::Bool(true)).await.unwrap_err();
    assert!(e.transient && e.message.contains("locked by process 4711"), "{e}");
    assert_eq!(f.text(), "{\"a\": false}");
    // readers do not wait
    assert_eq!(p.read().await, Ok(Setting::Bool(false)));
    drop(holder);
    p.set(Setting::Bool(true)).await.unwrap();
    assert_eq!(f.text(), "{\"a\": true}");
}

#[tokio::test]
async fn a_dropped_set_never_lands_later() {
    let f = flags("{\"a\": false}");
    let holder = File::create(f.folder.path().join(".x.json.lock")).unwrap();
    holder.lock().unwrap();
    let p = f.port("a", FlagKind::Bool);
    let late = tokio::time::timeout(Duration::from_millis(30), p.set(Setting::Bool(true))).await;
    assert!(late.is_err());
    drop(holder);
    // the next one takes the lock after the first has let go of it, or never had it
    p.set(Setting::Absent).await.unwrap();
    assert_eq!(f.text(), "{}");
    while Arc::strong_count(&p.document.inner) > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(f.text(), "{}");
}

#[tokio::test]
async fn what_a_killed_process_left_is_swept() {
    let f = flags("{\"a\": false}");
    std::fs::write(f.folder.path().join(".x.json.canary.tmp"), "half").unwrap();
    f.port("a", FlagKind::Bool).set(Setting::Bool(true)).await.unwrap();
    assert_eq!(f.names(), [".x.json.lock", "x.json"]);
}

/// A writer without manners, between our reading and our renaming, must not be overwritten.
#[test]
fn a_file_that_changed_meanwhile_is_not_replaced() {
    let f = flags("{\"a\": false}");
    let p = f.port("a", FlagKind::Bool);
    let (_, meta) = p.document.inner.file.load(&f.path).unwrap();
    std::fs::write(&f.path, "{\"a\": false, \"b\": 1}").unwrap();
    let done = p.document.inner.file.replace(&f.path, &meta, b"{}", &AtomicBool::new(false));
    assert_eq!(done, Ok(false));
    assert_eq!(f.text(), "{\"a\": false, \"b\": 1}");
    assert_eq!(f.names(), ["x.json"]);
}

fn document(f: &Flags, reload: Option<&str>) -> Arc<FlagDocument> {
    let reload = reload.map(|script| {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        Reload::new(argv, f.folder.path(), Duration::from_secs(5)).unwrap()
    });
    FlagDocument::new(Format::Json, &f.path, reload)
}

#[tokio::test]
async fn a_group_is_one_write_or_none() {
    let f = flags("{\"a\": false, \"b\": false, \"c\": \"no flag\"}");
    let d = document(&f, None);
    for key in ["a", "b", "c"] {
        d.flag(key, FlagKind::Bool, None).unwrap();
    }
    let inode = std::fs::metadata(&f.path).unwrap().ino();
    let e = d.write(&[(0, Setting::Bool(true)), (2, Setting::Bool(true))], false).await.unwrap_err();
    assert!(e.message.contains("true or false was expected at c, here is the string"), "{e}");
    assert_eq!(std::fs::metadata(&f.path).unwrap().ino(), inode, "nothing of it was written");
    d.write(&[(0, Setting::Bool(true)), (1, Setting::Bool(true))], false).await.unwrap();
    assert_eq!(f.text(), "{\"a\": true, \"b\": true, \"c\": \"no flag\"}");
}

/// Somebody has put something else at one of our keys: the others are put back, and that one too, for it was ours.
#[tokio::test]
async fn what_is_put_back_is_put_back_over_anything() {
    let f = flags("{\"a\": false, \"b\": false}");
    let d = document(&f, None);
    let (a, b) = (d.flag("a", FlagKind::Bool, None).unwrap(), d.flag("b", FlagKind::Bool, None).unwrap());
    assert_eq!((a.read().await, b.read().await), (Ok(Setting::Bool(false)), Ok(Setting::Bool(false))));
    d.write(&[(0, Setting::Bool(true)), (1, Setting::Bool(true))], false).await.unwrap();
    std::fs::write(&f.path, "{\"a\": [\"gone mad\"], \"b\": true}").unwrap();
    assert!(d.write(&[(0, Setting::Bool(true)), (1, Setting::Bool(true))], false).await.is_err());
    d.write(&[(0, Setting::Bool(false)), (1, Setting::Bool(false))], true).await.unwrap();
    assert_eq!(f.text(), "{\"a\": false, \"b\": false}");
    // where one cannot be put back, the others are
    d.write(&[(0, Setting::Bool(true)), (1, Setting::Bool(true))], false).await.unwrap();
    std::fs::write(&f.path, "{\"a\": true, \"a\": true, \"b\": true}").unwrap();
    let e = d.write(&[(0, Setting::Bool(false)), (1, Setting::Bool(false))], true).await.unwrap_err();
    assert!(e.message.contains("a second time"), "{e}");
    assert_eq!(f.text(), "{\"a\": true, \"a\": true, \"b\": false}");
}

#[tokio::test]
async fn a_spelling_outlives_its_process() {
    let f = flags("{\"share\": 50.0}");
    let before = f.port("share", FlagKind::Ratio);
    assert_eq!(before.read().await, Ok(Setting::Share(0.5)));
    before.set(Setting::Share(1.0)).await.unwrap();
    let memento = before.memento().unwrap();
    let after = f.port("share", FlagKind::Ratio);
    after.remember(&memento);
    assert_eq!(after.read().await, Ok(Setting::Share(1.0)));
    after.set(Setting::Share(0.5)).await.unwrap();
    assert_eq!(f.text(), "{\"share\": 50.0}");
    after.remember("nonsense");
    after.set(Setting::Share(1.0)).await.unwrap();
    after.set(Setting::Share(0.5)).await.unwrap();
    assert_eq!(f.text(), "{\"share\": 50.0}");
}

#[tokio::test]
async fn a_reload_follows_a_change_and_an_unknown_past() {
    let f = flags("{\"a\": true}");
    let log = || std::fs::read_to_string(f.folder.path().join("log")).unwrap_or_default();
    let d = document(&f, Some("cat x.json >> log; echo >> log"));
    let a = d.flag("a", FlagKind::Bool, None).unwrap();
    // the file says so already, but whether anybody has read it is not known
    a.set(Setting::Bool(true)).await.unwrap();
    assert_eq!(log(), "{\"a\": true}\n");
    a.set(Setting::Bool(true)).await.unwrap();
    assert_eq!(log(), "{\"a\": true}\n", "known now");
    a.set(Setting::Bool(false)).await.unwrap();
    assert_eq!(log(), "{\"a\": true}\n{\"a\": false}\n");

    let failing = document(&f, Some("test -e mended || { echo no cluster >&2; exit 3; }"));
    let a = failing.flag("a", FlagKind::Bool, None).unwrap();
    let e = a.set(Setting::Bool(true)).await.unwrap_err();
    assert!(e.message.contains("exit status 3: no cluster") && e.transient, "{e}");
    assert_eq!(f.text(), "{\"a\": true}");
    // the file needs no change any more, the reload is still to be done
    assert!(a.set(Setting::Bool(true)).await.is_err());
    std::fs::write(f.folder.path().join("mended"), "").unwrap();
    a.set(Setting::Bool(true)).await.unwrap();
}

#[tokio::test]
async fn what_runs_is_asked() {
    let f = flags("{\"pct\": 10}");
    std::fs::write(f.folder.path().join("used"), "{\"env\": {\"PCT\": \"10\"}}").unwrap();
    let d = document(&f, Some("sed 's/.*: *\\([0-9]*\\).*/{\"env\": {\"PCT\": \"\\1\"}}/' x.json > used"));
    let argv = ["cat", "used"].map(str::to_owned).to_vec();
    let in_use = InUse::new(argv, Some("$.env.PCT"), f.folder.path()).unwrap();
    let p = d.flag("pct", FlagKind::Ratio, Some(in_use)).unwrap();
    assert_eq!(p.read().await, Ok(Setting::Share(0.1)));
    p.set(Setting::Share(0.5)).await.unwrap();
    assert_eq!(p.read().await, Ok(Setting::Share(0.5)));
    // a pod came up with an old file: that is what is exposed
    std::fs::write(f.folder.path().join("used"), "{\"env\": {\"PCT\": \"10\"}}").unwrap();
    assert_eq!(p.read().await, Ok(Setting::Share(0.1)));
    // somebody else changed the file, and nobody has read it yet: neither is believed
    std::fs::write(&f.path, "{\"pct\": 20}").unwrap();
    let e = p.read().await.unwrap_err();
    assert!(e.message.contains("the file says 20%, and what runs uses 10%"), "{e}");
    std::fs::write(f.folder.path().join("used"), "Error from server").unwrap();
    let e = p.read().await.unwrap_err();
    assert!(e.transient && e.message.contains("did not print JSON"), "{e}");
}

/// Keys that were not there go again, over anything and each for itself, also in a process that has seen them raised.
#[tokio::test]
async fn what_was_absent_is_taken_back_over_anything() {
    let f = flags("{}");
    let d = document(&f, None);
    let (a, b) = (d.flag("a", FlagKind::Bool, None).unwrap(), d.flag("b", FlagKind::Bool, None).unwrap());
    assert_eq!((a.read().await, b.read().await), (Ok(Setting::Absent), Ok(Setting::Absent)));
    d.write(&[(0, Setting::Bool(true)), (1, Setting::Bool(true))], false).await.unwrap();
    assert_eq!((a.read().await, b.read().await), (Ok(Setting::Bool(true)), Ok(Setting::Bool(true))));
    std::fs::write(&f.path, "{\"a\": \"gone mad\", \"b\": true}").unwrap();
    let mementos = [a.memento().unwrap(), b.memento().unwrap()];
    let again = document(&f, None);
    for (key, memento) in ["a", "b"].into_iter().zip(mementos) {
        again.flag(key, FlagKind::Bool, None).unwrap().remember(&memento);
    }
    for d in [d, again] {
        std::fs::write(&f.path, "{\"a\": \"gone mad\", \"b\": true}").unwrap();
        d.write(&[(0, Setting::Absent), (1, Setting::Absent)], true).await.unwrap();
        assert_eq!(f.text(), "{}");
    }
}

/// A kill switch sets off what was absent: one that cannot be set keeps no other from being taken down.
#[tokio::test]
async fn what_exposes_nothing_is_set_as_far_as_it_can_be() {
    let f = flags("{\"b\": true, \"c\": 3}");
    let d = document(&f, None);
    for (key, kind) in [("a", FlagKind::Bool), ("b", FlagKind::Bool), ("c", FlagKind::Count)] {
        d.flag(key, kind, None).unwrap();
    }
    std::fs::write(&f.path, "{\"a\": \"gone mad\", \"b\": true, \"c\": 3}").unwrap();
    let off = [(0, Setting::Bool(false)), (1, Setting::Bool(false)), (2, Setting::Count(0))];
    let e = d.write(&off, true).await.unwrap_err();
    assert!(e.message.contains("was expected at a, here is the string"), "{e}");
    assert_eq!(f.text(), "{\"a\": \"gone mad\", \"b\": false, \"c\": 0}");
}

/// Whether a write that was given up has landed is not known: what runs is to read the file.
#[tokio::test]
async fn a_reload_follows_a_write_that_was_given_up() {
    let f = flags("{\"a\": true}");
    let log = || std::fs::read_to_string(f.folder.path().join("log")).unwrap_or_default();
    let d = document(&f, Some("echo read >> log"));
    let a = d.flag("a", FlagKind::Bool, None).unwrap();
    a.set(Setting::Bool(true)).await.unwrap();
    assert_eq!(log(), "read\n");
    let holder = File::create(f.folder.path().join(".x.json.lock")).unwrap();
    holder.lock().unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(30), d.write(&[(0, Setting::Bool(false))], true)).await.is_err()
    );
    drop(holder);
    a.set(Setting::Bool(true)).await.unwrap();
    assert_eq!(log(), "read\nread\n");
}

#[tokio::test]
async fn what_is_in_the_way_is_named() {
    for (name, link, what) in [
        (".x.json.lock", false, "cannot lock FOLDER/.x.json.lock: it is a folder"),
        (".x.json.lock", true, "cannot lock FOLDER/.x.json.lock: it is a link"),
        (".x.json.canary.tmp", false, "cannot write FOLDER/.x.json.canary.tmp: it is a folder"),
    ] {
        let f = flags("{\"a\": false}");
        let at = f.folder.path().join(name);
        if link {
            symlink("x.json", &at).unwrap()
        } else {
            std::fs::create_dir(&at).unwrap()
        }
        let p = f.port("a", FlagKind::Bool);
        let e = p.set(Setting::Bool(true)).await.unwrap_err();
        let what = what.replace("FOLDER", &f.folder.path().display().to_string());
        assert!(!e.transient && e.message.contains(&what), "{e}");
        assert!(e.help.unwrap().starts_with("remove it"));
        assert_eq!(f.text(), "{\"a\": false}");
        // a rollback of what could not be raised has nothing to do
        p.set(Setting::Bool(false)).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_that_is_too_great_is_told() {
    let f = flags(&format!("{{\"a\": false, \"pad\": \"{}\"}}", "x".repeat(4 << 20)));
    let p = f.port("a", FlagKind::Bool);
    for e in [p.read().await.unwrap_err(), p.set(Setting::Bool(true)).await.unwrap_err()] {
        assert!(!e.transient && e.message.ends_with("greater than 4 MiB") && e.help.is_some(), "{e}");
    }
    assert_eq!(f.names(), ["x.json"]);
}

/// A file that takes long to be read is read by one at a time, however many have given up.
#[tokio::test]
async fn reads_that_are_given_up_do_not_pile_up() {
    let f = flags("{\"a\": false}");
    let p = f.port("a", FlagKind::Bool);
    let held = Arc::clone(&p.document.turn).lock_owned().await;
    for _ in 0..100 {
        assert!(tokio::time::timeout(Duration::from_micros(10), p.read()).await.is_err());
    }
    assert_eq!(Arc::strong_count(&p.document.inner), 1, "no work was begun");
    drop(held);
    assert_eq!(p.read().await, Ok(Setting::Bool(false)));
}

#[tokio::test]
async fn one_that_cannot_be_read_does_not_keep_the_others() {
    let before = "{\"bad\": \"on\", \"a\": {\"x\": false}}\n";
    let f = flags(before);
    let document = FlagDocument::new(Format::Json, &f.path, None);
    let keys = ["a/x", "bad", "a/y", "b/x", "b/y"];
    for key in keys {
        document.flag(key, FlagKind::Bool, None).unwrap();
    }
    let read = document.read(&[0, 1, 2, 9]).await;
    assert_eq!((&read[0], &read[2]), (&Ok(Setting::Bool(false)), &Ok(Setting::Absent)));
    assert!(read[1].as_ref().unwrap_err().message.contains("1:9: "), "{:?}", read[1]);
    assert_eq!(read[3].as_ref().unwrap_err().message, "no flag of this file");
    let to = |on: bool| -> Vec<(usize, Setting)> { (0..keys.len()).map(|i| (i, Setting::Bool(on))).collect() };
    // what raises is whole or not at all
    assert!(document.write(&to(true), false).await.is_err());
    assert_eq!(f.text(), before);
    // what lowers is done as far as it can be
    let e = document.write(&to(false), true).await.unwrap_err();
    assert!(e.message.contains("1:9: "), "{e:?}");
    assert_eq!(
        f.text(),
        "{\"bad\": \"on\", \"a\": {\"x\": false, \"y\": false}, \"b\": { \"x\": false, \"y\": false }}\n"
    );
    let back: Vec<_> =
        [(2, Setting::Absent), (3, Setting::Absent), (4, Setting::Absent), (0, Setting::Bool(true))].into();
    document.write(&back, true).await.unwrap();
    assert_eq!(f.text(), "{\"bad\": \"on\", \"a\": {\"x\": true}}\n");
}
