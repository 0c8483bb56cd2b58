use super::*;
use crate::backend::{BackendError, Shared};
use async_trait::async_trait;

/// A file of which the first write takes so long that somebody asks for less meanwhile.
struct Slow {
    requests: Arc<Requests>,
    writes: Mutex<Vec<usize>>,
    /// The slice that is asked to be lowered, or another request for a slice.
    meanwhile: (SliceId, bool),
}

#[async_trait]
impl SharedWrite for Slow {
    async fn write(&self, settings: &[(usize, Setting)], _lowers: bool) -> Result<(), BackendError> {
        let first = {
            let mut writes = self.writes.lock().unwrap();
            writes.push(settings.len());
            writes.len() == 1
        };
        if first {
            let (slice, lowers) = self.meanwhile;
            self.requests.ask(slice, Request { epoch: 9, settings: Vec::new(), lowers }, Arc::default());
        }
        Ok(())
    }
    fn at_once(&self, _lowers: bool) -> usize {
        250
    }
    async fn reload(&self) -> Result<(), BackendError> {
        Ok(())
    }
    async fn read(&self, members: &[usize]) -> Vec<Result<Setting, BackendError>> {
        members.iter().map(|_| Ok(Setting::Bool(true))).collect()
    }
    fn reload_within(&self) -> Option<Duration> {
        None
    }
    fn describe(&self) -> String {
        String::from("slow")
    }
}

struct Member(Arc<dyn SharedWrite>, usize);

#[async_trait]
impl Port for Member {
    async fn read(&self) -> Result<Setting, BackendError> {
        Ok(Setting::Bool(true))
    }
    async fn set(&self, _to: Setting) -> Result<(), BackendError> {
        Ok(())
    }
    fn shared(&self) -> Option<Shared> {
        Some(Shared { write: Arc::clone(&self.0), member: self.1, together: true })
    }
    fn by_hand(&self, _to: Setting) -> String {
        String::new()
    }
    fn describe(&self) -> String {
        String::from("member")
    }
}

/// Raises so many slices, while something else is asked for; how many settings each write had, and what came of it.
async fn raised(slices: usize, meanwhile: (SliceId, bool)) -> (Vec<usize>, Vec<(SliceId, u32, Outcome)>) {
    let requests = Arc::new(Requests::default());
    let slow = Arc::new(Slow { requests: Arc::clone(&requests), writes: Mutex::default(), meanwhile });
    for i in 0..slices {
        let write: Arc<dyn SharedWrite> = slow.clone();
        let port: Arc<dyn Port> = Arc::new(Member(write, i));
        let request = Request { epoch: 1, settings: vec![(PortId(0), Setting::Bool(true))], lowers: false };
        requests.ask(SliceId::at(i), request, Arc::new(vec![port]));
    }
    let (batch, _) = requests.due();
    let done = attempt(&requests, batch).await;
    let writes = slow.writes.lock().unwrap().clone();
    (writes, done)
}

#[tokio::test]
async fn a_raise_of_many_makes_way_between_two_writes() {
    let n = 3 * AT_A_WRITE;
    let (writes, done) = raised(n, (SliceId::at(n), true)).await;
    assert_eq!(writes, [AT_A_WRITE], "the rollback waits for one write and no more");
    let made_way = |o: &Outcome| o.as_ref().is_err_and(|why| why.contains("made way for a rollback"));
    assert_eq!(done.iter().filter(|(_, _, o)| made_way(o)).count(), n, "all of them are tried again");
}

#[tokio::test]
async fn what_was_replaced_between_two_writes_is_not_written() {
    let n = 2 * AT_A_WRITE;
    let (writes, done) = raised(n, (SliceId::at(n - 1), false)).await;
    assert_eq!(writes, [AT_A_WRITE, AT_A_WRITE - 1]);
    assert_eq!(done.iter().filter(|(_, _, o)| o.is_ok()).count(), n - 1);
}
