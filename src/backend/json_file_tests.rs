use super::*;
use std::os::unix::fs::symlink;

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
    fn port(&self, key: &str, kind: FlagKind) -> JsonFile {
        JsonFile::new(&self.path, key, kind).unwrap()
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
    let p = JsonFile::new(&link, "a", FlagKind::Bool).unwrap();
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
    let none = JsonFile::new(f.folder.path().join("no.json"), "a", FlagKind::Bool).unwrap();
    for e in [none.read().await.unwrap_err(), none.set(Setting::Bool(true)).await.unwrap_err()] {
        assert!(e.message.contains("no such file") && e.help.is_some() && !e.transient, "{e}");
    }
    let folder = JsonFile::new(f.folder.path(), "a", FlagKind::Bool).unwrap();
    assert!(folder.read().await.unwrap_err().message.contains("not an ordinary file"));
    std::fs::write(&f.path, b"{\"a\": \"\xff\"}").unwrap();
    let e = f.port("a", FlagKind::Bool).read().await.unwrap_err();
    assert!(e.message.ends_with("not UTF-8 at byte 7"), "{e}");
    assert!(JsonFile::new("x", "a//b", FlagKind::Bool).is_err());
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
    let mut p = f.port("a", FlagKind::Bool);
    Arc::get_mut(&mut p.inner).unwrap().patience = Duration::from_millis(50);
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
    while Arc::strong_count(&p.inner) > 1 {
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
    let (_, meta) = p.inner.load(&f.path).unwrap();
    std::fs::write(&f.path, "{\"a\": false, \"b\": 1}").unwrap();
    let done = p.inner.replace(&f.path, &meta, b"{}", &AtomicBool::new(false));
    assert_eq!(done, Ok(false));
    assert_eq!(f.text(), "{\"a\": false, \"b\": 1}");
    assert_eq!(f.names(), ["x.json"]);
}
