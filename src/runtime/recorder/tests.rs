//! The side file: what is read back of it after every way in which a process can end.

use super::*;
use crate::plan::Time;

fn line(before: &str, after: &str, at: Time) -> Line {
    let happened = Happened::Check { at, ports: Vec::new(), ports_epoch: 0, live: true };
    Line { before: before.into(), after: after.into(), happened, answers: Vec::new() }
}

fn start(after: &str) -> Line {
    let happened = Happened::Start { at: 0, originals: Vec::new(), rolled_back: None };
    Line { happened, ..line("?", after, 0) }
}

fn ends(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|l| l.after.as_str()).collect()
}

fn chain(lines: impl IntoIterator<Item = Line>) -> Vec<Line> {
    let mut out = Vec::new();
    for l in lines {
        take(&mut out, l);
    }
    out
}

#[test]
fn what_the_journal_has_not_got_is_dropped() {
    // b → c was written ahead of a journal that was never written: the run went on from b
    let lines = chain([start("a"), line("a", "b", 1), line("b", "c", 2), line("b", "d", 3), line("d", "e", 4)]);
    assert_eq!(ends(&lines), ["a", "b", "d", "e"]);
    // several lines, while the store was out of reach
    let lines = chain([start("a"), line("a", "b", 1), line("b", "c", 2), line("c", "d", 3), line("a", "e", 4)]);
    assert_eq!(ends(&lines), ["a", "e"]);
    // a start that was not journalled is made again
    let lines = chain([start("a"), start("b"), line("b", "c", 1)]);
    assert_eq!(ends(&lines), ["b", "c"]);
    // an input that changes nothing is kept
    let lines = chain([start("a"), line("a", "a", 1), line("a", "b", 2)]);
    assert_eq!(ends(&lines), ["a", "a", "b"]);
    // the first line of a recording that begins in the middle was dropped
    let lines = chain([line("a", "b", 1), line("a", "c", 2)]);
    assert_eq!(ends(&lines), ["c"]);
}

#[test]
fn a_chain_is_cut_at_a_state() {
    let head = Head { part: 1, run: "r".into(), rollout: "x".into(), policy: "h".into() };
    let lines = chain([start("a"), line("a", "b", 1), line("b", "c", 2)]);
    let mut part = Part { head, lines, whole: 0 };
    assert!(!part.until("nowhere"));
    assert_eq!(part.lines.len(), 3);
    assert!(part.until("b"));
    assert_eq!(ends(&part.lines), ["a", "b"]);
}

#[test]
fn a_torn_last_line_is_left_out_and_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rec.part");
    let head = Head { part: 1, run: "r".into(), rollout: "x".into(), policy: "h".into() };
    drop(Recorder::create(&path, &head, 1000).expect("a new file"));
    assert!(Recorder::create(&path, &head, 1000).is_err(), "never over another one");
    let mut text = std::fs::read(&path).expect("the file");
    let first = serde_json::to_vec(&start("a")).expect("JSON");
    text.extend([&first[..], b"\n", &first[..20]].concat());
    std::fs::write(&path, &text).expect("written");
    let part = read(&path).expect("a side file");
    assert_eq!((ends(&part.lines), part.whole), (vec!["a"], text.len() as u64 - 20));
    drop(Recorder::go_on(&path, &part, 1000).expect("goes on"));
    assert_eq!(std::fs::metadata(&path).expect("there").len(), part.whole);
    // in the middle it is no accident
    std::fs::write(&path, [&text[..], b"\n", &first[..], b"\n"].concat()).expect("written");
    let said = read(&path).expect_err("damaged");
    assert!(said.contains("line 3 cannot be read"), "{said}");
    std::fs::write(&path, "PAR1").expect("written");
    assert!(read(&path).is_err());
}

#[test]
fn a_full_disk_ends_the_recording_and_says_so_once() {
    let full = |_: &[u8]| Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
    let mut recorder = Recorder::by(Path::new("rec.part"), 1000, full, || Ok(()));
    let said: Vec<String> = (0..200).filter_map(|at| recorder.put(&line("a", "b", at))).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("the run goes on") && said[0].contains("no storage space"), "{said:?}");
    assert!(recorder.close().is_some_and(|why| why.contains("no storage space")));
}

#[test]
fn a_disk_that_does_not_answer_ends_the_recording_and_holds_nobody_up() {
    let (release, hang) = channel::<()>();
    let hangs = move |_: &[u8]| {
        let _ = hang.recv();
        Ok(())
    };
    let mut recorder = Recorder::by(Path::new("rec.part"), 1000, hangs, || Ok(()));
    let begun = std::time::Instant::now();
    let said: Vec<String> = (0..10_000).filter_map(|at| recorder.put(&line("a", "b", at))).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("too slow"), "{said:?}");
    // one step waits for 50 ms, none of the others does: half a second each would be an hour and a half
    assert!(begun.elapsed() < Duration::from_secs(60));
    drop(release);
}

#[test]
fn what_is_slow_is_written_all_the_same() {
    let written = std::sync::Arc::new(std::sync::Mutex::new(0));
    let count = std::sync::Arc::clone(&written);
    let slow = move |_: &[u8]| {
        std::thread::sleep(Duration::from_millis(20));
        *count.lock().expect("a lock") += 1;
        Ok(())
    };
    let mut recorder = Recorder::by(Path::new("rec.part"), 100, slow, || Ok(()));
    assert!((0..20).all(|at| recorder.put(&line("a", "b", at)).is_none()));
    assert_eq!(recorder.close(), None);
    assert_eq!(*written.lock().expect("a lock"), 20);
}

/// A process that is killed loses what it has not handed to the system: lines must not wait in it for the disk.
#[test]
fn a_line_is_written_while_the_disk_is_still_busy_with_the_one_before() {
    let (tell, written) = channel();
    let put = move |line: &[u8]| {
        let _ = tell.send(line.len());
        Ok(())
    };
    let (release, hang) = channel::<()>();
    let sync = move || {
        let _ = hang.recv();
        Ok(())
    };
    let mut recorder = Recorder::by(Path::new("rec.part"), 100, put, sync);
    for at in 0..5 {
        assert_eq!(recorder.put(&line("a", "b", at)), None);
        // and nothing of it is on the disk yet
        written.recv_timeout(Duration::from_secs(30)).expect("written");
        assert_eq!(recorder.open, usize::try_from(at).expect("few") + 1);
    }
    // a disk that never answers ends the recording
    let said: Vec<String> = (5..1_000).filter_map(|at| recorder.put(&line("a", "b", at))).collect();
    assert!(said.len() == 1 && said[0].contains("too slow"), "{said:?}");
    drop(release);
}

#[test]
fn a_disk_that_fails_when_it_is_waited_for_ends_the_recording() {
    let sync = || Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
    let mut recorder = Recorder::by(Path::new("rec.part"), 1000, |_: &[u8]| Ok(()), sync);
    let _ = recorder.put(&line("a", "b", 0));
    assert!(recorder.close().is_some_and(|why| why.contains("no storage space")));
}
